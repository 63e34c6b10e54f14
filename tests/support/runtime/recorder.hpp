// SPDX-License-Identifier: MIT
#pragma once

#include <map>

#include <eddy/io/readiness.hpp>

#include "reactor/source/scheduled_io.hpp"

namespace support {

/// What the ticks of a driver have reported, by source.
using reports = std::map<eddy::detail::scheduled_io*, eddy::io::ready>;

/// A source that only records what a driver reports to it.
class recorder final : public eddy::detail::scheduled_io {
public:
    explicit recorder(reports& into) noexcept : into_(into) {}
    void report(eddy::io::ready what) noexcept override { into_[this] |= what; }

private:
    reports& into_;
};

}  // namespace support
