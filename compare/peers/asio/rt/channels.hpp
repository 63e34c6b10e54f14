// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/system/error_code.hpp>

#include "runtime.hpp"

namespace bench::peer {

using boost::system::error_code;

/// A channel between tasks on one thread.
template <class... T>
using channel = asio::experimental::channel<executor, void(error_code, T...)>;

/// A channel between threads. The sender uses the channel's mutex after it has resumed the receiver, so the receiver
/// must not destroy the channel.
template <class... T>
using concurrent_channel = asio::experimental::concurrent_channel<executor, void(error_code, T...)>;

}  // namespace bench::peer
