// SPDX-License-Identifier: BSD-3-Clause
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { details, IShare, text } from './share';

/** The status bar's item: a button with the share in few words, and a dialog with all of it. */
export class ShareItem extends Widget {
  constructor() {
    super({ node: document.createElement('button') });
    this.addClass('bfkernel-ShareItem');
    this.node.addEventListener('click', () => this._explain());
    this.display(null);
  }

  /** Show a share; null hides the item. */
  display(share: IShare | null): void {
    this._share = share;
    this.node.textContent = text(share);
    this.node.title = details(share);
    this.node.setAttribute('aria-label', `GPU share. ${details(share)}`);
    this.node.dataset.state = share?.state ?? '';
    this.setHidden(share === null);
  }

  private _explain(): void {
    const body = new Widget();
    body.addClass('bfkernel-ShareDetails');
    body.node.textContent = details(this._share);
    void showDialog({
      title: this._share?.size ?? 'GPU',
      body,
      buttons: [Dialog.okButton({ label: 'Close' })]
    });
  }

  private _share: IShare | null = null;
}
