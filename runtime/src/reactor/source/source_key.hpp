// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

/// The address of a source, which a driver is given with a descriptor. The driver returns it with each event of that
/// descriptor.
using source_key = void*;

}  // namespace eddy::detail
