// SPDX-License-Identifier: BSD-3-Clause
#include "shim/api.h"
#include "shim/failure.h"

namespace shim::api {

CUresult cuGetExportTable(const void** ppExportTable, const CUuuid* pExportTableId) {
  require(ppExportTable);
  require(pExportTableId);
  *ppExportTable = nullptr;
  return CUDA_ERROR_NOT_FOUND;
}

}  // namespace shim::api
