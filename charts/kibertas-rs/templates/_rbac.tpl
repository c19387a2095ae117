{{/* Whether a condition [key, value] of a grant holds: "true" or nothing. Takes root, check and condition. */}}
{{- define "kibertas-rs.holds" -}}
{{- $key := index .condition 0 }}{{ $value := index .condition 1 }}
{{- if eq $key "resourceNamespace" }}{{ if include "kibertas-rs.ownSetting" (dict "root" .root "key" $key) }}true{{ end }}
{{- else if eq (include "kibertas-rs.plain" $value) (include "kibertas-rs.plain" (include "kibertas-rs.checkSetting" (dict "root" .root "check" .check "key" $key))) }}true
{{- end }}
{{- end }}

{{/* The grants that are needed under these values, as a YAML list, each with the check that declares it. Takes root and unit. */}}
{{- define "kibertas-rs.grants" -}}
{{- $declared := include "kibertas-rs.declared" .root | fromYaml }}
{{- /* One that only asks an outside service works in no namespace. */}}
{{- $inNamespace := false }}
{{- range $declared.checks }}{{ if and .worksInNamespace (has .name $.unit.checks) }}{{ $inNamespace = true }}{{ end }}{{ end }}
{{- range $check := prepend $declared.checks (dict "name" "every check" "grants" $declared.common) }}
{{- if or (eq $check.name "every check") (has $check.name $.unit.checks) }}
{{- range $grant := $check.grants }}
{{- $about := dict "root" $.root "check" $check }}
{{- $needed := or (not $grant.onlyWhen) (include "kibertas-rs.holds" (merge (dict "condition" $grant.onlyWhen) $about)) }}
{{- if and $grant.unless (include "kibertas-rs.holds" (merge (dict "condition" $grant.unless) $about)) }}{{ $needed = false }}{{ end }}
{{- if and (eq $check.name "every check") (not $grant.optional) (not $inNamespace) }}{{ $needed = false }}{{ end }}
{{- if and $grant.optional (not $.root.Values.rbac.optional) }}{{ $needed = false }}{{ end }}
{{- if $needed }}
- {{ merge (dict "check" $check.name) $grant | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* RBAC rules of these grants, each with what it is for. */}}
{{- define "kibertas-rs.rules" -}}
{{- range . }}
# {{ .check }}: {{ .why }}
- apiGroups: [{{ .group | quote }}]
  resources: [{{ .resource | quote }}]
  {{- with .name }}
  resourceNames: [{{ . | quote }}]
  {{- end }}
  verbs: {{ .verbs | toJson }}
{{- end }}
{{- end }}

{{/*
A Role or ClusterRole and its binding. Takes root, name, part (optional), namespace (empty: the whole cluster), account and
rules (text). Outside of the release's namespace releases of the same name meet, so the name there says which one it is.
*/}}
{{- define "kibertas-rs.role" -}}
{{- $kind := ternary "Role" "ClusterRole" (ne .namespace "") }}
{{- $home := .root.Release.Namespace }}
{{- $name := ternary .name (printf "%s-%s" $home .name) (has $home (list .namespace .name)) }}
{{- with .part }}{{ $name = printf "%s-%s" $name . }}{{ end }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "kibertas-rs.labels" .root | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "kibertas-rs.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* The namespace of the ConfigMap that baselines are kept in; nothing where they are kept elsewhere. */}}
{{- define "kibertas-rs.baselinesNamespace" -}}
{{- $place := include "kibertas-rs.ownSetting" (dict "root" . "key" "baselines") }}
{{- if hasPrefix "configmap://" $place }}{{ index (splitList "/" (trimPrefix "configmap://" $place)) 0 }}{{ end }}
{{- end }}

{{/* RBAC rules of what keeping baselines in a ConfigMap takes; nothing where they are kept elsewhere. */}}
{{- define "kibertas-rs.baselineRules" -}}
{{- $place := include "kibertas-rs.ownSetting" (dict "root" . "key" "baselines") }}
{{- if hasPrefix "configmap://" $place }}
{{- $name := index (splitList "/" $place) 3 }}
{{- range (include "kibertas-rs.declared" . | fromYaml).baselines }}
{{- include "kibertas-rs.rules" (list (merge (dict "check" "baselines" "name" (ternary $name "" (ne .name ""))) .)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What promoting and aborting Rollouts takes. */}}
{{- define "kibertas-rs.rolloutRules" -}}
- {apiGroups: [argoproj.io], resources: [rollouts], verbs: [list, watch, patch]}
- {apiGroups: [argoproj.io], resources: [rollouts/status], verbs: [patch]}
{{- end }}
