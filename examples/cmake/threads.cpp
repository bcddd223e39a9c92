// Encodes and decodes frames in several threads, an encoder and a decoder in each.
//
//   threads SPEC THREADS
#include <etalon.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t shape[] = {1, 256, 512};

struct Free {
    void operator()(etalon_encoder *encoder) const { etalon_encoder_free(encoder); }
    void operator()(etalon_decoder *decoder) const { etalon_decoder_free(decoder); }
};

void check(int status)
{
    if (status != ETALON_OK)
        throw std::runtime_error(etalon_last_error());
}

std::unique_ptr<etalon_encoder, Free> make_encoder(const char *spec)
{
    etalon_encoder *encoder = nullptr;
    check(etalon_encoder_new(spec, nullptr, "i4", 3, shape, nullptr, &encoder));
    return std::unique_ptr<etalon_encoder, Free>(encoder);
}

double largest_error(const char *spec, unsigned seed)
{
    auto          encoder = make_encoder(spec);
    etalon_filter filter;
    check(etalon_encoder_filter(encoder.get(), &filter));
    const auto      frame_bytes = etalon_encoder_chunk_bytes(encoder.get());
    etalon_decoder *made = nullptr;
    check(etalon_decoder_new(filter.id, filter.cd_count, filter.cd_values, frame_bytes, &made));
    std::unique_ptr<etalon_decoder, Free> decoder(made);

    std::vector<std::int32_t>  frame(frame_bytes / 4), back(frame_bytes / 4);
    std::vector<unsigned char> stored(etalon_encoder_bound(encoder.get()));
    double                     worst = 0;
    for (int number = 0; number < 20; number++) {
        for (auto &count : frame)
            count = static_cast<std::int32_t>((seed = seed * 1664525u + 1013904223u) >> 28);
        std::size_t stored_bytes = 0, back_bytes = 0;
        check(etalon_encode(encoder.get(), frame.data(), frame_bytes, 0, stored.data(), stored.size(), &stored_bytes));
        check(etalon_decode(decoder.get(), stored.data(), stored_bytes, back.data(), frame_bytes, &back_bytes));
        for (std::size_t i = 0; i < frame.size(); i++)
            worst = std::max(worst, std::abs(static_cast<double>(frame[i]) - back[i]));
    }
    return worst;
}

} // namespace

int main(int argc, char **argv)
{
    const char              *spec = argc > 1 ? argv[1] : "bitshuffle";
    std::vector<double>      worst(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 2, -1);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < worst.size(); i++)
        threads.emplace_back([&, i] { worst[i] = largest_error(spec, static_cast<unsigned>(i)); });
    for (auto &thread : threads)
        thread.join();
    std::printf("%g\n", *std::max_element(worst.begin(), worst.end()));
}
