export { auditCache } from './audit-cache.ts'
export type { AuditOptions, AuditReport } from './audit-cache.ts'
export type { Names as AuditNames, Severity as AuditSeverity } from './probe.ts'
export type { AuditedUrl, Finding as AuditFinding } from './run-probes.ts'
