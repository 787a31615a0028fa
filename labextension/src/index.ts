// SPDX-License-Identifier: BSD-3-Clause
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { URLExt } from '@jupyterlab/coreutils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ServerConnection } from '@jupyterlab/services';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Poll } from '@lumino/polling';

import { ShareItem } from './item';
import { IShare } from './share';

const EVERY_MS = 3000;
const LONGEST_MS = 60000;

/** Shows the current notebook's share of a GPU in the status bar, and nothing on other kernels. */
const plugin: JupyterFrontEndPlugin<void> = {
  id: 'bfkernel-labextension:share',
  description: "Shows the current notebook's share of a GPU in the status bar.",
  autoStart: true,
  requires: [IStatusBar, INotebookTracker],
  activate: (app: JupyterFrontEnd, bar: IStatusBar, notebooks: INotebookTracker) => {
    const item = new ShareItem();
    bar.registerStatusItem(plugin.id, { item, align: 'left', rank: 100 });

    const poll = new Poll({
      name: plugin.id,
      standby: 'when-hidden',
      frequency: { interval: EVERY_MS, backoff: true, max: LONGEST_MS },
      factory: async () => {
        const kernel = notebooks.currentWidget?.sessionContext.session?.kernel?.id;
        item.display(kernel ? await shareOf(kernel, app.serviceManager.serverSettings) : null);
      }
    });
    notebooks.currentChanged.connect((_, panel) => {
      void poll.refresh();
      panel?.sessionContext.kernelChanged.connect(refresh);
    });
    const refresh = () => void poll.refresh();
  }
};

/** Ask the server for a kernel's share; null when it has none. */
async function shareOf(kernel: string, settings: ServerConnection.ISettings): Promise<IShare | null> {
  const url = URLExt.join(settings.baseUrl, 'bfkernel/api/status');
  const response = await ServerConnection.makeRequest(url, {}, settings);
  if (!response.ok) {
    throw new ServerConnection.ResponseError(response);
  }
  const status: { kernels: { [id: string]: IShare } } = await response.json();
  return status.kernels[kernel] ?? null;
}

export default plugin;
