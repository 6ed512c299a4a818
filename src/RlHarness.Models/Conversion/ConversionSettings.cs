using RlHarness.Models.Files;

namespace RlHarness.Models.Conversion;

/// <summary>What to write.</summary>
public sealed record ConversionSettings
{
    /// <summary>A GGUF file; else a Hugging Face folder.</summary>
    public required bool ToGguf { get; init; }

    /// <summary>
    /// F32, F16, BF16, and for GGUF also Q8_0. Null: that of most of the source's numbers where it is one of these, else F32, which loses nothing.
    /// </summary>
    public WeightType? Type { get; init; }

    /// <summary>An adapter in PEFT's format to be added to the weights, or null.</summary>
    public string? Adapter { get; init; }
}
