import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

/** A key and a certificate that it signed itself, for `localhost`, in PEM. */
export interface SelfSigned {
  key: string
  cert: string
}

const ECDSA_WITH_SHA256 = sequence(oid(0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02))

/** Node makes keys but no certificates, so this writes one: X.509 version 1 (RFC 5280 section 4.1), in DER. */
export function selfSigned (commonName = 'localhost'): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const content = certificateContent(commonName, publicKey)
  const signature = der(0x03, Buffer.of(0), sign('sha256', content, privateKey))
  const certificate = sequence(content, ECDSA_WITH_SHA256, signature)
  const lines = certificate.toString('base64').match(/.{1,64}/g)!.join('\n')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
  }
}

function certificateContent (commonName: string, publicKey: KeyObject): Buffer {
  const name = sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0C, Buffer.from(commonName)))))
  const validity = sequence(time('20200101000000Z'), time('21200101000000Z'))
  const serial = der(0x02, Buffer.of(1))
  return sequence(serial, ECDSA_WITH_SHA256, name, validity, name, publicKey.export({ type: 'spki', format: 'der' }))
}

function sequence (...parts: Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function oid (...bytes: number[]): Buffer {
  return der(0x06, Buffer.from(bytes))
}

function time (text: string): Buffer {
  return der(0x18, Buffer.from(text))
}

function der (tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const prefix = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.of(tag, ...prefix), content])
}
