import { crc32, deflate } from "node:zlib";
import { promisify } from "node:util";
import { type Input } from "../../protocol/index.ts";

const deflateAsync = promisify(deflate);
const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Colour types of the PNG specification, 11.2.2: grey, RGB, RGBA. */
const colourTypes = { 1: 0, 3: 2, 4: 6 } as const;

/**
 * Raw pixels (uint8, shape [height, width, channels], row-major) as a PNG, so that a browser can show them. Deflates in
 * zlib's thread pool: the event loop stays free.
 */
export async function encodePng(input: Extract<Input, { kind: "pixels" }>): Promise<Uint8Array> {
  const { width, height, channels, data } = input;
  const rowBytes = width * channels;
  const rows = new Uint8Array(height * (rowBytes + 1)); // Each row starts with its filter, 0: none.
  for (let y = 0; y < height; y += 1) {
    rows.set(data.subarray(y * rowBytes, (y + 1) * rowBytes), y * (rowBytes + 1) + 1);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, colourTypes[channels], 0, 0, 0], 8);
  const body = await deflateAsync(rows, { level: 3 });
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", body), chunk("IEND", new Uint8Array(0))]);
}

/** PNG specification, 5.3: length, type, data, CRC over type and data. */
function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + data.byteLength);
  bytes.writeUInt32BE(data.byteLength, 0);
  bytes.write(type, 4, "latin1");
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.byteLength)), 8 + data.byteLength);
  return bytes;
}
