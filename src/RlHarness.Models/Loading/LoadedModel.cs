using System.Text.Json.Nodes;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Tokenizers;

namespace RlHarness.Models.Loading;

/// <summary>A decoder with what belongs to it: its family, its config.json, and its tokenizer where the source has one.</summary>
public sealed record LoadedModel(Decoder Decoder, IDecoderFamily Family, JsonObject ConfigJson, Tokenizer? Tokenizer, string Source) : IDisposable
{
    /// <summary>Ids that end an answer: the configuration's and the tokenizer's.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];

    public void Dispose() => Decoder.Dispose();
}
