using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Which layers attend to a window only, in the spellings that configurations use.</summary>
internal static class SlidingWindows
{
    /// <summary>Qwen's spelling: <c>layer_types</c>, or <c>max_window_layers</c> full layers first, both only with <c>use_sliding_window</c>.</summary>
    internal static DecoderConfig Read(ConfigReader reader, DecoderConfig config)
    {
        if (!reader.Bool("use_sliding_window", false) || reader.OptionalInt("sliding_window") is not { } window)
            return config;
        var full = reader.OptionalInt("max_window_layers") ?? config.NumHiddenLayers;
        return config with { SlidingWindow = window, SlidingLayers = Types(reader) ?? [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => i >= full)] };
    }

    internal static IReadOnlyList<bool>? Types(ConfigReader reader)
    {
        var types = reader.Strings("layer_types");
        return types.Count == 0 ? null : [.. types.Select(t => t == "sliding_attention")];
    }

    internal static DecoderConfig All(ConfigReader reader, DecoderConfig config) =>
        reader.OptionalInt("sliding_window") is not { } window
            ? config
            : config with
            {
                SlidingWindow = window,
                SlidingLayers = [.. Enumerable.Repeat(true, config.NumHiddenLayers)],
            };
}
