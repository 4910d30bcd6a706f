// App Service Authentication: only callers with a token of this tenant for this app registration
// reach the functions. Deployed for authMode easyauth.
param functionAppName string

@minLength(36)
param clientId string

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: functionAppName
}

resource authentication 'Microsoft.Web/sites/config@2024-04-01' = {
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
      enabled: true
      runtimeVersion: '~1'
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
      redirectToProvider: 'azureactivedirectory'
      excludedPaths: [
        '/runtime/webhooks/webpubsub' // Web PubSub's events: the host requires the system key
        '/api/health'
      ]
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
        enabled: true
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
