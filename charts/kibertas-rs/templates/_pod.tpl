{{/* The metadata and spec of a pod that runs the checks of a unit. Takes root and unit. */}}
{{- define "kibertas-rs.podMetadata" -}}
{{- with .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  {{- include "kibertas-rs.labels" .root | nindent 2 }}
  app.kubernetes.io/component: checks
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "kibertas-rs.podSpec" -}}
{{- $values := .root.Values }}
serviceAccountName: {{ include "kibertas-rs.serviceAccountName" . }}
automountServiceAccountToken: true
enableServiceLinks: false
restartPolicy: Never
# SIGTERM ends the checks; what they created is removed within the clean-up's time.
terminationGracePeriodSeconds: {{ add (include "kibertas-rs.cleanUpSeconds" .root) 15 }}
{{- include "kibertas-rs.placement" .root }}
securityContext:
  {{- include "kibertas-rs.podSecurity" .root | nindent 2 }}
containers:
  - name: kibertas-rs
    image: {{ include "kibertas-rs.image" .root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args:
      - test
      {{- range .unit.asked }}
      - {{ . }}
      {{- end }}
      - --config=/etc/kibertas-rs/config.yaml
      {{- range $values.extraArgs }}
      - {{ . | quote }}
      {{- end }}
    env:
      {{- include "kibertas-rs.env" .root | nindent 6 }}
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: FallbackToLogsOnError
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    securityContext:
      {{- include "kibertas-rs.containerSecurity" .root | nindent 6 }}
    volumeMounts:
      - name: config
        mountPath: /etc/kibertas-rs
        readOnly: true
      {{- with $values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "kibertas-rs.fullname" .root }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The Pod Security level `restricted`, and the image's own user. */}}
{{- define "kibertas-rs.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "kibertas-rs.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "kibertas-rs.env" -}}
{{- if not (or .Values.config.image .Values.env.KIBERTAS_IMAGE) }}
- name: KIBERTAS_IMAGE
  value: {{ include "kibertas-rs.image" . | quote }}
{{- end }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $from := .Values.secrets }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $from.existingSecret }}
      key: {{ default $name $from.key }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* On which nodes, and before whom. */}}
{{- define "kibertas-rs.placement" -}}
{{- range $key := list "imagePullSecrets" "priorityClassName" "nodeSelector" "tolerations" "affinity" }}
{{- with get $.Values $key }}
{{ $key }}:
  {{- if kindIs "string" . }} {{ . }}{{ else }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A Job's spec. Takes root and unit. */}}
{{- define "kibertas-rs.jobSpec" -}}
# A second try would only blur what the first one saw.
backoffLimit: 0
completions: 1
parallelism: 1
activeDeadlineSeconds: {{ include "kibertas-rs.deadlineSeconds" . }}
# Puts the exit code into the Job's condition: 1 failed, 2 usage, 3 inconclusive, 4 nothing ran.
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes:
        containerName: kibertas-rs
        operator: NotIn
        values: [0]
template:
  metadata:
    {{- include "kibertas-rs.podMetadata" . | nindent 4 }}
  spec:
    {{- include "kibertas-rs.podSpec" . | nindent 4 }}
{{- end }}
