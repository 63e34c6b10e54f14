// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class scheduled_io;

/// A source, which a driver is given with a descriptor. The driver reports each event of that descriptor to it.
using source_key = scheduled_io*;

}  // namespace eddy::detail
