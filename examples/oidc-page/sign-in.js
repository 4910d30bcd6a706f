// Sign-in at an OpenID Connect provider: authorization code with PKCE (RFC 7636), for a public client.
import config from "./config.js";

const page = location.origin + location.pathname; // the redirect URI
const encode = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => encode(crypto.getRandomValues(new Uint8Array(32)));

async function discover() {
  const answer = await fetch(config.issuer.replace(/\/$/, "") + "/.well-known/openid-configuration");
  return answer.json();
}

/** Leave the page for the provider, which sends the user back with a code. */
export async function signIn() {
  const [verifier, state] = [random(), random()];
  sessionStorage.setItem("sign-in", JSON.stringify({ verifier, state }));
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const { authorization_endpoint } = await discover();
  location.href = `${authorization_endpoint}?${new URLSearchParams({
    response_type: "code",
    client_id: config.clientId,
    redirect_uri: page,
    scope: config.scope,
    state,
    code_challenge: encode(new Uint8Array(hash)),
    code_challenge_method: "S256",
  })}`;
}

/** Return the access token if the provider has just sent the user back; undefined otherwise. */
export async function finishSignIn() {
  const given = new URLSearchParams(location.search);
  const { verifier, state } = JSON.parse(sessionStorage.getItem("sign-in") ?? "{}");
  if (!given.has("state")) return undefined;
  sessionStorage.removeItem("sign-in");
  history.replaceState(null, "", page); // a code is valid once
  if (given.get("state") !== state) throw new Error("This sign-in was not started here.");
  if (!given.has("code")) throw new Error(`The provider refused: ${given.get("error")}`);
  return requestToken(given.get("code"), verifier);
}

async function requestToken(code, verifier) {
  const { token_endpoint } = await discover();
  const form = { grant_type: "authorization_code", code, code_verifier: verifier };
  const body = new URLSearchParams({ ...form, client_id: config.clientId, redirect_uri: page });
  const answer = await fetch(token_endpoint, { method: "POST", body });
  if (!answer.ok) throw new Error(`The provider gave no token (${answer.status}).`);
  return (await answer.json()).access_token;
}
