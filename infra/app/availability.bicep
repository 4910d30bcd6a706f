// A test that asks /api/health from several places, and its alert. Each run has a price.
param location string
param tags { *: string }
param insightsId string
param url string
param actions string[]

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'usher-health'
  location: location
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' }) // Application Insights finds it by this tag
  kind: 'standard'
  properties: {
    SyntheticMonitorId: 'usher-health'
    Name: 'usher-health'
    Kind: 'standard'
    Enabled: true
    Frequency: 300
    Timeout: 30 // a cold start takes seconds
    RetryEnabled: true
    Locations: [
      {
        Id: 'emea-nl-ams-azr'
      }
      {
        Id: 'emea-gb-db3-azr'
      }
      {
        Id: 'us-va-ash-azr'
      }
      {
        Id: 'us-ca-sjc-azr'
      }
      {
        Id: 'apac-sg-sin-azr'
      }
    ]
    Request: {
      RequestUrl: '${url}/api/health'
      HttpVerb: 'GET'
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
    }
  }
}

resource unavailable 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'usher-unavailable'
  location: 'global'
  tags: tags
  properties: {
    description: 'The app does not answer, or does not reach Web PubSub: /api/health fails from three of five places.'
    severity: 1
    enabled: true
    scopes: [
      test.id
      insightsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: insightsId
      failedLocationCount: 3
    }
    actions: [
      for id in actions: {
        actionGroupId: id
      }
    ]
  }
}
