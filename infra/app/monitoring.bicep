// Storage of log records and metrics: a workspace, and Application Insights that writes to it.
param workspaceName string
param insightsName string
param location string
param tags { *: string }

@description('Records beyond it are lost until the next day, so that a flood has a price limit.')
param dailyLogGigabytes int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    retentionInDays: 30
    sku: {
      name: 'PerGB2018'
    }
    workspaceCapping: {
      dailyQuotaGb: dailyLogGigabytes
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: true // only identities may send telemetry, see roles.bicep
    WorkspaceResourceId: workspace.id
  }
}

output workspaceId string = workspace.id
output insightsId string = insights.id
