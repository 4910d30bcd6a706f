// App Service Authentication: only callers with a token of this tenant for this app registration
// reach the functions. Deployed in every mode, so that a change of the mode switches it off.
param functionAppName string
param enabled bool

@minLength(36)
param clientId string

@description('true: events carry a token of the service, so the webhook needs no exception.')
param eventsWithIdentity bool

var webhook = '/runtime/webhooks/webpubsub' // the host requires the system key; hub.bicep reads the list
var open = [
  '/api/asyncapi.yaml'
  '/api/health'
  '/api/openapi.yaml'
  '/api/usher.js'
]

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  // checkov:skip=CKV_AZURE_13:this resource is App Service Authentication, version 2
  // checkov:skip=CKV_AZURE_63:about the web configuration, this is authsettingsV2
  // checkov:skip=CKV_AZURE_65:about the web configuration, this is authsettingsV2
  // checkov:skip=CKV_AZURE_66:about the web configuration, this is authsettingsV2
  // checkov:skip=CKV_AZURE_80:Python has no .NET version
  // checkov:skip=CKV_AZURE_88:Flex Consumption has no Azure Files
  // checkov:skip=CKV_AZURE_222:clients and Web PubSub call it from the internet
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: enabled
      runtimeVersion: '~1'
    }
    globalValidation: {
      requireAuthentication: enabled
      unauthenticatedClientAction: 'Return401'
      redirectToProvider: 'azureactivedirectory'
      excludedPaths: eventsWithIdentity ? open : concat([webhook], open)
    }
    httpSettings: {
      requireHttps: true
      routes: {
        apiPrefix: '/.auth'
      }
      forwardProxy: {
        convention: 'NoProxy'
      }
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: enabled
        registration: {
          clientId: clientId // no secret: callers bring their token, so no sign-in happens here
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            clientId
            'api://${clientId}'
          ]
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}
