// SPDX-License-Identifier: MIT
// runs: once
#include "fuzz/targets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support/stress.hpp"

// Inputs that ./dev fuzz found, and random mutations of them.

namespace fuzz {

void PrintTo(const target& one, std::ostream* out) { *out << one.name; }

}  // namespace fuzz

namespace {

namespace fs = std::filesystem;

std::string contents_of(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> corpus_of(std::string_view name) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(fs::path(EDDY_FUZZ_CORPUS) / name)) files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<std::string> all;
    for (const auto& file : files) all.push_back(contents_of(file));
    return all;
}

class FuzzCorpus : public testing::TestWithParam<fuzz::target> {};

// covers: P111
TEST_P(FuzzCorpus, CorpusInputsDoNotThrow) {
    const auto all = corpus_of(GetParam().name);
    EXPECT_FALSE(all.empty());
    for (const auto& bytes : all) EXPECT_NO_THROW(GetParam().run(std::as_bytes(std::span(bytes)))) << bytes;
}

// covers: P111
TEST_P(FuzzCorpus, StressRandomMutationsDoNotThrow) {
    std::mt19937_64 random(1);
    const auto all = corpus_of(GetParam().name);
    const auto rounds = support::rounds(100'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        std::string bytes = all[random() % all.size()];
        for (auto n = random() % 8; n != 0; --n)
            bytes.insert(random() % (bytes.size() + 1), 1, static_cast<char>(random()));
        for (auto n = random() % 8; n != 0 && !bytes.empty(); --n)
            bytes[random() % bytes.size()] = "\n\r,\0\xff"[random() % 5];
        if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
        ASSERT_NO_THROW(GetParam().run(std::as_bytes(std::span(bytes)))) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpus, testing::ValuesIn(fuzz::targets),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
