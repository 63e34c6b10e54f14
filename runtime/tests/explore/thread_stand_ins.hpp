// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace explore {

/// Makes the threads that the library starts threads of the model. The destructor joins them.
class library_threads {
public:
    /// `most`: how many threads can be started. Later attempts fail.
    explicit library_threads(std::size_t most = 7);
    library_threads(const library_threads&) = delete;
    library_threads& operator=(const library_threads&) = delete;
    ~library_threads();
};

}  // namespace explore
