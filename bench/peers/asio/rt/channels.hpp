// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/system/error_code.hpp>

#include "runtime.hpp"

namespace bench::peer {

using boost::system::error_code;

/// For tasks that are all on one thread.
template <class... T>
using channel = asio::experimental::channel<executor, void(error_code, T...)>;

/// For several threads. It still touches its mutex after it has resumed the receiver, so the receiver must not destroy
/// it.
template <class... T>
using concurrent_channel = asio::experimental::concurrent_channel<executor, void(error_code, T...)>;

}  // namespace bench::peer
