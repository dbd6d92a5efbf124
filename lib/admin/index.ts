import { cacheAdmin } from './admin.ts'

export default cacheAdmin
export { cacheAdmin }
export type { AdminHook, AdminOptions } from './admin.ts'
