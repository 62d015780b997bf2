/** Reads the payloads of a web socket's frames in transit. RFC 6455, section 5.2; no compression, no fragments. */

export class WebSocketFrames {
  private pending = Buffer.alloc(0);

  constructor(private readonly onPayload: (payload: Buffer) => void) {}

  push(data: Buffer): void {
    this.pending = Buffer.concat([this.pending, data]);
    for (let frame = frameOf(this.pending); frame; frame = frameOf(this.pending)) {
      this.pending = this.pending.subarray(frame.length);
      this.onPayload(frame.payload);
    }
  }
}

/** The first frame; undefined while it is incomplete. */
function frameOf(data: Buffer): { payload: Buffer; length: number } | undefined {
  if (data.length < 2) return undefined;
  const short = data[1]! & 0x7f;
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
  const masked = (data[1]! & 0x80) !== 0;
  const begin = 2 + extra + (masked ? 4 : 0);
  if (data.length < begin) return undefined;
  const size = extra === 2 ? data.readUInt16BE(2) : extra === 8 ? Number(data.readBigUInt64BE(2)) : short;
  if (data.length < begin + size) return undefined;
  const payload = Buffer.from(data.subarray(begin, begin + size));
  if (masked) for (let at = 0; at < size; at++) payload[at]! ^= data[begin - 4 + (at % 4)]!;
  return { payload, length: begin + size };
}
