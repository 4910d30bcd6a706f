export default {
  usher: "http://127.0.0.1:7071", // in Azure: https://NAME.azurewebsites.net
  issuer: "https://login.example.com/", // as USHER_OIDC_ISSUER
  clientId: "CLIENT-ID", // of this page, a public client
  scope: "openid api://usher/join", // what makes the provider issue a token for Usher's audience
};
