/** Every bound of the wire protocol. docs/limits.md says what happens at each of them. */
export const limits = Object.freeze({
  /** A whole message, encoded. Above it the MQTT connection is closed and HTTP answers 413. */
  messageBytesMax: 12 * 1024 * 1024,
  /** `input.data`, decoded. HP_TOO_LARGE above it. */
  dataBytesMax: 8 * 1024 * 1024,
  /** Nesting of maps and arrays in a message. HP_SCHEMA above it. */
  depthMax: 16,
  /** Width and height of a picture. HP_PICTURE above it, before any pixel is decoded. */
  pictureSideMax: 8192,
  /** Width times height of a picture. */
  picturePixelsMax: 40_000_000,
  tensorRankMax: 8,
  featuresMax: 512,
  channelsMax: 64,
  itemsMax: 512,
  contextKeysMax: 32,
  /** Any text: labels, context values, entity names. */
  textCharsMax: 1024,
  /** Longest patience a device may state: one day. */
  deadlineMsMax: 86_400_000,
  /** Longest long poll. */
  waitMsMax: 60_000,
});
