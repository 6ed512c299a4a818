using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Which layers attend to a window only, in the spellings that configurations use.</summary>
internal static class SlidingWindows
{
    /// <summary>Qwen's spelling: <c>layer_types</c>, or <c>max_window_layers</c> full layers first, both only with <c>use_sliding_window</c>.</summary>
    internal static DecoderConfig Read(ConfigReader reader, FamilyDefaults defaults, DecoderConfig config)
    {
        var types = Types(reader, config);
        var window = reader.States("sliding_window") ? reader.OptionalInt("sliding_window") : defaults.SlidingWindow;
        if (!reader.Bool("use_sliding_window", false) || window is null)
        {
            // transformers builds this model and fails when it makes the mask.
            if (types?.Contains(true) == true)
                throw reader.Bad(
                    "layer_types and use_sliding_window contradict each other",
                    $"layer_types with sliding_attention, use_sliding_window {(window is null ? "without sliding_window" : "false")}",
                    "use_sliding_window true and a sliding_window, or full_attention alone"
                );
            return config;
        }

        var full = reader.OptionalInt("max_window_layers") ?? 28;
        return config with
        {
            SlidingWindow = Size(reader, window.Value),
            SlidingLayers = types ?? [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => i >= full)],
        };
    }

    /// <summary><c>layer_types</c>: for each layer whether it slides; null where the key is absent.</summary>
    internal static IReadOnlyList<bool>? Types(ConfigReader reader, DecoderConfig config)
    {
        var types = reader.Strings("layer_types");
        if (types.Count == 0)
            return null;
        if (types.Count != config.NumHiddenLayers)
            throw reader.Bad("layer_types does not fit num_hidden_layers", $"{types.Count} types", $"{config.NumHiddenLayers}");
        if (types.FirstOrDefault(t => t is not ("sliding_attention" or "full_attention")) is { } other)
            throw reader.Bad("a kind of attention is not supported", $"layer_types with {other}", "full_attention, sliding_attention");
        return [.. types.Select(t => t == "sliding_attention")];
    }

    /// <summary>A window in every layer, unless the file says <c>"sliding_window": null</c>.</summary>
    internal static DecoderConfig All(ConfigReader reader, FamilyDefaults defaults, DecoderConfig config)
    {
        var window = reader.States("sliding_window") ? reader.OptionalInt("sliding_window") : defaults.SlidingWindow;
        return window is null
            ? config
            : config with
            {
                SlidingWindow = Size(reader, window.Value),
                SlidingLayers = [.. Enumerable.Repeat(true, config.NumHiddenLayers)],
            };
    }

    internal static int Size(ConfigReader reader, int window) =>
        window > 0 ? window : throw reader.Bad("sliding_window is out of range", $"{window}", "1 or more, or null for none");
}
