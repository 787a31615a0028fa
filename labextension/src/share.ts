// SPDX-License-Identifier: BSD-3-Clause
// What the status item says of a share: words only, so that it can be tested without a browser.

/** A kernel's share, as `/bfkernel/api/status` tells it. Memory is in MiB, `held_mib` over all GPUs. */
export interface IShare {
  size: string;
  state: string;
  message: string;
  notice: string;
  position: number | null;
  eta_s: number | null;
  gpus: number;
  memory_mib: number | null;
  held_mib: number | null;
  device: string | null;
  server: string | null;
}

/** The item's text; empty for a kernel without a share. */
export function text(share: IShare | null): string {
  if (share === null) {
    return '';
  }
  switch (share.state) {
    case 'granted':
      return `${share.size}: ${memory(share)}`;
    case 'queued':
      return share.position === null
        ? `${share.size}: waiting`
        : `${share.size}: ${share.position}. in the queue${eta(share.eta_s)}`;
    case 'requesting':
      return `${share.size}: asking the pool`;
    case 'refused':
      return `${share.size}: refused`;
    default:
      return `${share.size}: given back`;
  }
}

/** The whole story, for the tooltip, for screen readers and for the dialog. */
export function details(share: IShare | null): string {
  if (share === null) {
    return '';
  }
  const lines = [text(share)];
  if (share.state === 'granted' && share.device) {
    lines.push(share.server ? `${share.device} on ${share.server}` : share.device);
  } else if (share.message) {
    lines.push(share.message);
  }
  if (share.notice) {
    lines.push(share.notice);
  }
  return lines.join('\n');
}

function memory(share: IShare): string {
  if (share.memory_mib === null) {
    return 'granted';
  }
  const total = share.memory_mib * share.gpus;
  return `${Math.round(share.held_mib ?? 0)} of ${total} MiB`;
}

function eta(seconds: number | null): string {
  if (seconds === null) {
    return '';
  }
  return seconds < 60 ? ', less than 1 min' : `, about ${Math.round(seconds / 60)} min`;
}
