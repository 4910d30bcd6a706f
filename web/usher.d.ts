/**
 * Usher's browser module: a connection to a room of Azure Web PubSub, and who is in it.
 *
 * One ES module without dependencies and without a build step: serve it as it is, or import it with
 * a bundler. `docs/presence.md` has examples, and says what presence promises.
 */

/** What the app says about a group at the moment `asOf`. The roster has the same form. */
export interface PresenceMessage {
  type: "presence";
  group: string;
  /** When the service made its list: UTC, in whole seconds, such as "2026-11-26T12:30:07Z". */
  asOf: string;
  /** The number of connections of each user. Connections without a user id have the name "". */
  users: Record<string, number>;
  /** Users without a connection. */
  gone: string[];
  /** The number of users in the list; null if it is truncated, except in the roster. */
  count: number | null;
  /** A checksum of the list. Null if the list is truncated: nothing is compared then. */
  checksum: string | null;
  /** The group has more connections than were read. */
  truncated: boolean;
  /** `users` has everybody in the list. */
  snapshot: boolean;
}

/** What is known about a group. Treat it as opaque: pass it to the next call. */
export interface PresenceState {
  readonly records: ReadonlyMap<string, readonly [asOf: string, connections: number]>;
  readonly floor: string;
  readonly newest: string;
  readonly isReady: boolean;
  readonly check: string;
}

export interface PresenceChange {
  /** The new state; the same object if nothing changed. */
  state: PresenceState;
  /** Users who had no connection before, sorted. Empty up to the first snapshot. */
  joined: string[];
  /** Users who have no connection any more, sorted. */
  left: string[];
  /** The newest message's list differs from the state: something was missed, or is on its way. */
  isBehind: boolean;
}

/**
 * Apply a message of a group to what was known about it. A pure function: no clock, no I/O, and its
 * arguments stay as they are. Messages may come in any order, twice, or not at all. A malformed
 * message changes nothing.
 *
 * Do not pass messages that have a `fromUserId`: members sent them, not the app.
 */
export function applyPresence(state: PresenceState | undefined, message: unknown): PresenceChange;

/** Return the users of a state who have a connection, with the number of their connections. */
export function presentUsers(state: PresenceState | undefined): Map<string, number>;

/**
 * Enter a room. Resolves when the connection is open.
 *
 * Rejects with a `RoomError` if the app refuses (401, 403 and other 4xx statuses except 408 and
 * 429), and with an error if `signal` is aborted before. All other failures are retried: after a
 * random wait of up to 1, 2, 4 … 30 s, and at least as long as `Retry-After` asks. Each attempt has
 * 20 s. A connection that stays open for more than 5 s resets the waits, and so does a network that
 * returns: the next attempt then follows within a second, unless `Retry-After` asks for more.
 *
 * A lost connection is recovered for 30 s (`json.reliable.webpubsub.azure.v1`): others do not
 * notice it, and no message is missed. After that, each attempt requests a new token. The
 * connection is checked when the network changes and when the page becomes visible.
 *
 * A user who is removed by an operator, from the hub or from the room, is out: the connection is
 * closed, the state is "refused", and nothing is retried. See `RoomError.reason`.
 *
 * Rejects with a TypeError if `negotiate` is not a URL.
 */
export function enterRoom(options: RoomOptions): Promise<Room>;

export interface RoomOptions {
  /** The address of `negotiate`, such as "https://my-usher.azurewebsites.net/api/negotiate". */
  negotiate: string | URL;
  /** The room. Without it, the app's default group. */
  group?: string;
  /** The user, in the modes of `USHER_AUTH` that allow a caller to name one. */
  userId?: string;
  /** Headers of each request to the app. Called before each, so that a token can be renewed. */
  headers?: () => Record<string, string> | Promise<Record<string, string>>;
  /** Listeners from the start; `Room.on` adds more. */
  on?: { [Name in keyof RoomEvents]?: RoomEvents[Name] };
  /** Leave the room, or stop entering it. */
  signal?: AbortSignal;
  /** Used instead of the global `fetch`. */
  fetch?: typeof fetch;
  /** Used instead of the global `WebSocket`, such as the class of the package `ws`. */
  WebSocket?: new (url: string | URL, protocol: string) => unknown;
}

/** "refused" and "closed" are final. A user who is removed while in the room is "refused", too. */
export type RoomState = "connecting" | "open" | "reconnecting" | "refused" | "closed";

export interface StateDetails {
  /** Why the connection was lost, refused or closed. */
  error?: RoomError;
  /** Milliseconds until the next attempt. */
  delay?: number;
  /** With "open": true if no message was missed, false for a new connection. */
  isRecovered?: boolean;
}

/** An error. `status`, `problem` and `retryAfter` are set if the app answered. */
export interface RoomError extends Error {
  /**
   * Set if an operator has removed the user, from the hub or from this room: the operator's reason,
   * or "". Show it as text, never as HTML.
   */
  reason?: string;
  status?: number;
  /** The problem document (RFC 9457) of the app, or what else the answer's JSON was. */
  problem?: {
    type?: string;
    title?: string;
    detail?: string;
    field?: string;
    /** Of a removal: its room, or null for the whole hub, and until when it lasts (ISO 8601). */
    group?: string | null;
    until?: string;
    reason?: string;
  } | null;
  /** The answer's `Retry-After`. */
  retryAfter?: string | null;
}

export interface RoomMessage {
  /** The member who sent it. Null for messages of the app and of backends. */
  userId: string | null | undefined;
  data: any;
  /** For "binary", `data` is in Base64. */
  dataType: "text" | "json" | "binary";
  /** When it arrived. */
  at: Date;
}

export interface RoomEvents {
  /** A user came; never oneself. */
  joined(userId: string): void;
  /** A user's last connection ended; never oneself. */
  left(userId: string): void;
  /** Somebody came or left, or has another number of connections. Once for each message. */
  users(users: Map<string, number>): void;
  /** A message to the room, or to this connection, that is not about presence. */
  message(message: RoomMessage): void;
  /** A presence message, before it is applied. `group` is undefined if only this client got it. */
  presence(message: PresenceMessage, group: string | undefined): void;
  /** The state, and each time a wait begins. */
  state(state: RoomState, details: StateDetails): void;
}

/** A room, as `enterRoom` returns it. */
export interface Room {
  readonly state: RoomState;
  /** One's own user id; for a guest the app has chosen it. */
  readonly userId: string;
  readonly group: string;
  /** A new map of each user to the number of connections, oneself included. */
  readonly users: Map<string, number>;

  /**
   * Call the listener at each event. Returns a function that ends this. A listener that throws
   * disturbs nobody: its error is reported as an unhandled rejection, which ends a process of
   * Node.js that does not handle it.
   */
  on<Name extends keyof RoomEvents>(event: Name, listener: RoomEvents[Name]): () => boolean;

  /**
   * Send a text, or any JSON value, to the room; oneself hears it, too. Resolves when the service
   * acknowledges the message. Rejects if the service refuses it, if the room is closed, if 100
   * messages are waiting, and if the message may be lost because its connection could not be
   * recovered. While the connection is lost, messages wait.
   */
  send(data: unknown): Promise<void>;

  /**
   * Read the roster, and apply it. A user who is missing in two answers has left; one answer may
   * fall into a reload. The module does this by itself, at most every 10 s: when it is behind the
   * newest message for 3 to 5 s, and once if no snapshot arrives after the connection opened.
   * Rejects with a `RoomError`; the policy must allow `roster`.
   */
  refresh(): Promise<PresenceMessage & { members: { userId: string | null; connections: number }[] }>;

  /** Leave at once. Also happens on `pagehide`; after `pageshow` the room is entered again. */
  leave(): void;
}
