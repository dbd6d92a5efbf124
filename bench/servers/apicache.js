import apicache from 'apicache'
import express from 'express'
import { announce, produce } from './contestant.js'

const app = express()

app.get('/places/:id', apicache.middleware('1 hour'), (request, response) => {
  response.json(produce())
})

const server = app.listen(0, '127.0.0.1', () => announce(server.address().port))
