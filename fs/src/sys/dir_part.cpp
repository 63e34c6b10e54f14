// SPDX-License-Identifier: MIT
#include <cstddef>
#include <vector>

#include "sys/dir_reader.hpp"

namespace eddy::sys {

result<bool> dir_reader::read(std::vector<named_entry>& into, std::size_t limit) {
    if (failure_) return std::unexpected(failure_);
    const auto begin = into.size();
    auto may_have_more = read_until(into, begin + limit);
    if (may_have_more || into.size() == begin) return may_have_more;
    failure_ = may_have_more.error();
    return true;
}

}  // namespace eddy::sys
