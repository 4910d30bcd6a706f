// A workbook in Azure Monitor: joins, failures and their reasons, latency, and use of the quota.
param location string
param tags { *: string }
param insightsId string
param workspaceId string

// From the app's log records and requests.
var appCharts = [
  {
    title: 'Joins and leaves'
    query: loadTextContent('../queries/joins.kql')
    visualization: 'timechart'
  }
  {
    title: 'Joins and leaves, announcements, retries, failures'
    query: loadTextContent('../queries/counters.kql')
    visualization: 'table'
  }
  {
    title: 'Presence messages per minute'
    query: loadTextContent('../queries/presence.kql')
    visualization: 'timechart'
  }
  {
    title: 'Failures by reason'
    query: loadTextContent('../queries/failures.kql')
    visualization: 'table'
  }
  {
    title: 'Milliseconds of the two calls of a join, including retries'
    query: loadTextContent('../queries/latency.kql')
    visualization: 'timechart'
  }
  {
    title: 'One visit, from the token to the leave (enter its id above)'
    query: loadTextContent('../queries/visit.kql')
    visualization: 'table'
  }
  {
    title: 'Refused negotiate requests by status'
    query: loadTextContent('../queries/refused-callers.kql')
    visualization: 'timechart'
  }
]

// From the service's metrics and log.
var serviceCharts = [
  {
    title: 'Connections, and percentage of the quota'
    query: loadTextContent('../queries/connections.kql')
    visualization: 'timechart'
  }
  {
    title: 'Warnings and errors of the service, such as handshakes that the app refused'
    query: loadTextContent('../queries/service-warnings.kql')
    visualization: 'table'
  }
]

var appItems = [
  for chart in appCharts: {
    type: 3
    name: chart.title
    content: {
      version: 'KqlItem/1.0'
      title: chart.title
      query: chart.query
      size: 0
      queryType: 0
      resourceType: 'microsoft.insights/components'
      crossComponentResources: [insightsId]
      timeContextFromParameter: 'Time'
      visualization: chart.visualization
    }
  }
]

var serviceItems = [
  for chart in serviceCharts: {
    type: 3
    name: chart.title
    content: {
      version: 'KqlItem/1.0'
      title: chart.title
      query: chart.query
      size: 0
      queryType: 0
      resourceType: 'microsoft.operationalinsights/workspaces'
      crossComponentResources: [workspaceId]
      timeContextFromParameter: 'Time'
      visualization: chart.visualization
    }
  }
]

// The parameters: the time range, and the id of a visit for the query of one visit.
var parametersItem = {
  type: 9
  name: 'Time'
  content: {
    version: 'KqlParameterItem/1.0'
    style: 'pills'
    parameters: [
      {
        id: guid('usher', 'Time')
        version: 'KqlParameterItem/1.0'
        name: 'Time'
        type: 4
        isRequired: true
        value: {
          durationMs: 86400000
        }
        typeSettings: {
          selectableValues: [
            {
              durationMs: 3600000
            }
            {
              durationMs: 86400000
            }
            {
              durationMs: 604800000
            }
          ]
        }
      }
      {
        id: guid('usher', 'Visit')
        version: 'KqlParameterItem/1.0'
        name: 'Visit'
        type: 1
        value: ''
      }
    ]
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'usher')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Usher'
    category: 'workbook'
    sourceId: insightsId
    serializedData: string({
      version: 'Notebook/1.0'
      items: concat([parametersItem], appItems, serviceItems)
    })
  }
}
