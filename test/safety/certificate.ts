/*
 * A certificate for tests, for a.example and 127.0.0.1, that signed itself and is valid from 2020 to 2120, and its key, which
 * protects nothing.
 */

export const key = [
  '-----BEGIN PRIVATE KEY-----',
  'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSghiBA87mLJ0yVqM',
  '5y7clGuCvYxyZKNAhl1IBsq9sIuhRANCAASGMtCOhjkfyh9uJ3WKFlSlSLfIrXRH',
  '4U+j9vea977OI6Ckfioi24PRrZFNJw8Sog6QepsEpNSqZyylz/Nu0c/T',
  '-----END PRIVATE KEY-----'
].join('\n')

export const cert = [
  '-----BEGIN CERTIFICATE-----',
  'MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlhLmV4YW1w',
  'bGUwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM',
  'CWEuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIYy0I6GOR/KH24n',
  'dYoWVKVIt8itdEfhT6P295r3vs4joKR+KiLbg9GtkU0nDxKiDpB6mwSk1KpnLKXP',
  '827Rz9OjTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIJYS5leGFtcGxl',
  'hwR/AAABMB0GA1UdDgQWBBTIeIdClysFQEqkPYspkdM/w2GhdjAKBggqhkjOPQQD',
  'AgNIADBFAiBFXTDaryo+cFMDoaVSFftkX5UVyHd9HeKOS4W0LAzABQIhAKXardbq',
  'ZgIvIcxmLVy0xBbjnUGfo+HGyFiH/raqLTcU',
  '-----END CERTIFICATE-----'
].join('\n')
