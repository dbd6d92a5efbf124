// A page of search results, about 5 KB of JSON: strings, numbers, nested objects, some text beyond ASCII.

const names = ['Rotterdam', 'Zürich', 'Kraków', 'São Paulo', 'Reykjavík', 'Nantes', 'Wellington', 'Marrakesh', 'Málaga', 'Trondheim']

function place (index) {
  return {
    id: 2747891 + index * 97,
    name: `${names[index % names.length]} ${index}`,
    country: 'NL',
    population: 598199 + index * 1013,
    location: { latitude: 51.9225 + index / 64, longitude: 4.47917 - index / 128 },
    features: ['harbour', 'university', 'airport'],
    updated: new Date(Date.UTC(2025, 0, 1 + index)).toISOString()
  }
}

export const payload = { total: 4218, page: 1, places: Array.from({ length: 25 }, (_, index) => place(index)) }
export const body = Buffer.from(JSON.stringify(payload))
export const contentType = 'application/json; charset=utf-8'
