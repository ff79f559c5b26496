{{/* What the operator may do in a namespace that it watches: each verb is used by a test, and none is there beside them. */}}
{{- define "artistcrawl.watchRules" -}}
- apiGroups: [artistcrawl.dev]
  resources: [crawljobs]
  verbs: [list, watch, patch, delete]  # patch: the finalizer of dataPolicy Delete; delete: ttlAfterFinished
- apiGroups: [artistcrawl.dev]
  resources: [crawljobs/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]  # create and patch: server-side apply; get: one that lost its labels
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]  # by name, those that a CrawlJob names; never list
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- define "artistcrawl.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "artistcrawl.leaseName" . }}]
  verbs: [get, patch]
{{- end -}}
