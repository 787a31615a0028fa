// SPDX-License-Identifier: BSD-3-Clause
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { details, text } from '../lib/share.js';

const granted = {
  size: 'GPU 0.02',
  state: 'granted',
  message: 'granted',
  notice: '',
  position: null,
  eta_s: null,
  gpus: 1,
  memory_mib: 655,
  held_mib: 40.4,
  device: 'Some card',
  server: 'box'
};
const queued = { ...granted, state: 'queued', position: 3, eta_s: 130, message: 'position 3 of 7 in the queue' };

test('a granted share says what it holds', () => {
  assert.equal(text(granted), 'GPU 0.02: 40 of 655 MiB');
  assert.equal(text({ ...granted, gpus: 2, held_mib: null }), 'GPU 0.02: 0 of 1310 MiB');
  assert.equal(details(granted), 'GPU 0.02: 40 of 655 MiB\nSome card on box');
});

test('a waiting one says its place', () => {
  assert.equal(text(queued), 'GPU 0.02: 3. in the queue, about 2 min');
  assert.equal(text({ ...queued, eta_s: 12 }), 'GPU 0.02: 3. in the queue, less than 1 min');
  assert.equal(text({ ...queued, eta_s: null }), 'GPU 0.02: 3. in the queue');
  assert.ok(details(queued).endsWith('position 3 of 7 in the queue'));
});

test('what is over, refused or under way has its word', () => {
  assert.equal(text({ ...granted, state: 'ended' }), 'GPU 0.02: given back');
  assert.equal(text({ ...granted, state: 'refused' }), 'GPU 0.02: refused');
  assert.equal(text({ ...granted, state: 'requesting' }), 'GPU 0.02: asking the pool');
});

test('a notice is in the details', () => {
  assert.ok(details({ ...granted, notice: 'It has been idle for 30 min.' }).includes('idle for 30 min'));
});

test('a kernel without a share says nothing', () => {
  assert.equal(text(null), '');
  assert.equal(details(null), '');
});
