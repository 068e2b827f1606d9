{{/* Name of the objects: mackerel-agent for the release of that name, RELEASE-mackerel-agent for others. */}}
{{- define "mackerel-agent.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains "mackerel-agent" .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-mackerel-agent" (.Release.Name | trunc 48 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Name of the Secret with the API key, and of the ConfigMap with the cluster's name. */}}
{{- define "mackerel-agent.shared" -}}
{{- include "mackerel-agent.fullname" . | trimSuffix "-agent" -}}
{{- end -}}

{{- define "mackerel-agent.namespace" -}}
{{- .Values.namespace | default .Release.Namespace -}}
{{- end -}}

{{- define "mackerel-agent.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "mackerel-agent.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Name of the priority class; empty for the cluster's default. */}}
{{- define "mackerel-agent.priorityClass" -}}
{{- if .Values.priorityClass.create -}}
{{- include "mackerel-agent.fullname" . -}}
{{- else -}}
{{- .Values.priorityClass.name -}}
{{- end -}}
{{- end -}}
