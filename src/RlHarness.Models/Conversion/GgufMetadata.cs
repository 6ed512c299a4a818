using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Loading;

namespace RlHarness.Models.Conversion;

/// <summary>
/// A model's configuration and tokenizer as GGUF metadata, in the keys of llama.cpp. It is read back before anything is written, so that what GGUF
/// can't say is an error and no silent change.
/// </summary>
internal static class GgufMetadata
{
    /// <exception cref="HarnessException">GGUF, or this program's reading of it, has no word for something that the model has.</exception>
    internal static IReadOnlyList<KeyValuePair<string, object>> Of(
        DecoderConfig c,
        ModelLoader.Opened opened,
        Tokenizer? tokenizer,
        WeightType type,
        IReadOnlyList<int> stops,
        List<string> notes
    )
    {
        var path = opened.Weights.Path;
        var family = opened.Family;
        var name = family.GgufArchitecture
            ?? throw GgufWriter.Unsupported(
                path,
                $"the family {family.ModelType}",
                "families: " + string.Join(", ", DecoderFamilies.All.Where(f => f.GgufArchitecture is not null).Select(f => f.ModelType))
            );
        if (c.Rope.PartialRotaryFactor != 1 || (c.Rope.RopeType != "default" && Divisors(c) is null))
            throw GgufWriter.Unsupported(path, $"rope of type {c.Rope.RopeType}", "rope type default or llama3");
        if (c.SlidingWindow is { } window)
            throw GgufWriter.Unsupported(path, $"a sliding window of {window}", "no sliding window");
        if (c.OutputBias || c.MlpBias)
            throw GgufWriter.Unsupported(path, "biases outside of q, k and v", "no such biases");
        var data = new Dictionary<string, object>
        {
            ["general.architecture"] = name,
            ["general.type"] = "model",
            ["general.file_type"] = type switch
            {
                WeightType.F16 => 1u,
                WeightType.Q8_0 => 7u,
                WeightType.BF16 => 32u,
                _ => 0u,
            },
            ["general.quantization_version"] = 2u,
            [name + ".block_count"] = (uint)c.NumHiddenLayers,
            [name + ".context_length"] = (uint)c.MaxPositionEmbeddings,
            [name + ".embedding_length"] = (uint)c.HiddenSize,
            [name + ".feed_forward_length"] = (uint)c.IntermediateSize,
            [name + ".attention.head_count"] = (uint)c.NumAttentionHeads,
            [name + ".attention.head_count_kv"] = (uint)c.NumKeyValueHeads,
            [name + ".attention.key_length"] = (uint)c.HeadDim,
            [name + ".attention.value_length"] = (uint)c.HeadDim,
            [name + ".attention.layer_norm_rms_epsilon"] = (float)c.RmsNormEps,
            [name + ".rope.freq_base"] = (float)c.Rope.RopeTheta,
            [name + ".rope.dimension_count"] = (uint)c.HeadDim,
            [name + ".vocab_size"] = (uint)c.VocabSize,
        };
        Ids(c, tokenizer, stops, data, notes);
        if (tokenizer is not null)
            GgufTokenizerWriter.Add(tokenizer, c.VocabSize, path, data);
        ReadBack(c, family, tokenizer, path, data);
        return [.. data];
    }

    /// <summary>
    /// Divisors of rope's frequencies [d / 2] where they do not depend on the sequence's length: of Llama 3.1's formula, or of a table that a GGUF file gave.
    /// Null for the others, plain rope among them.
    /// </summary>
    internal static float[]? Divisors(DecoderConfig c)
    {
        if (c.Rope.RopeType == "longrope")
            return c.Rope.ShortFactor.SequenceEqual(c.Rope.LongFactor) && c.Rope.AttentionFactor == 1 ? [.. c.Rope.ShortFactor.Select(f => (float)f)] : null;
        if (c.Rope.RopeType != "llama3")
            return null;
        using RotaryTable scaled = new(c.Rope, c.HeadDim, c.MaxPositionEmbeddings),
            plain = new(new RopeSettings { RopeTheta = c.Rope.RopeTheta }, c.HeadDim, c.MaxPositionEmbeddings);
        return [.. plain.InverseFrequencies(0).Inverse.Zip(scaled.InverseFrequencies(0).Inverse, (p, s) => p / s)];
    }

    private static void Ids(DecoderConfig c, Tokenizer? tokenizer, IReadOnlyList<int> stops, Dictionary<string, object> data, List<string> notes)
    {
        void Set(string key, int? id)
        {
            if (id is { } value)
                data[$"tokenizer.ggml.{key}"] = (uint)value;
        }

        var ends = stops.ToArray();
        if (tokenizer?.EosId is { } first && ends.Length > 0)
            ends = [first, .. ends.Where(id => id != first)];
        Set("bos_token_id", tokenizer?.BosId ?? c.BosTokenId);
        if (ends.Length > 0)
            Set("eos_token_id", ends[0]);
        if (ends.Length > 1)
            Set("eot_token_id", ends[1]);
        Set("padding_token_id", tokenizer?.PadId ?? c.PadTokenId);
        Set("unknown_token_id", tokenizer?.UnknownId);
        if (ends.Length > 2)
            Set("eom_token_id", ends[2]);
        if (ends.Length > 3)
            notes.Add($"GGUF has three end tokens; ids {string.Join(", ", ends.Skip(3))} no longer end an answer");
    }

    // Without weights: whether embeddings are tied and q, k, v have biases is read from the tensors' names, so those two are taken as they are.
    private static void ReadBack(DecoderConfig c, IDecoderFamily family, Tokenizer? tokenizer, string path, Dictionary<string, object> data)
    {
        var probe = Path.Combine(Path.GetTempPath(), $"rlharness-{Guid.NewGuid():n}.gguf");
        try
        {
            GgufWriter.Write(probe, data, []);
            using var file = GgufFile.Open(probe);
            var read = family.Read(new ConfigReader(GgufNames.Config(file, family), probe));
            var biased = family.ModelType == "llama" ? c.QkvBias : read.QkvBias;
            if (Comparable(read) with { TieWordEmbeddings = c.TieWordEmbeddings, QkvBias = biased } != Comparable(c))
                throw GgufWriter.Unsupported(
                    path,
                    Differences(Comparable(c), Comparable(read) with { TieWordEmbeddings = c.TieWordEmbeddings, QkvBias = biased }),
                    "settings that GGUF carries"
                );
            if (tokenizer is not null)
                GgufTokenizerWriter.Compare(tokenizer, Tokenizer.FromGguf(file), path);
        }
        finally
        {
            File.Delete(probe);
        }
    }

    // Numbers that GGUF holds in fp32 are compared in fp32; token ids are the tokenizer's business.
    private static DecoderConfig Comparable(DecoderConfig c) =>
        c with
        {
            RmsNormEps = (float)c.RmsNormEps,
            Rope = new RopeSettings { RopeTheta = (float)c.Rope.RopeTheta },
            SlidingLayers = [],
            RotaryLayers = [],
            EosTokenIds = [],
            BosTokenId = null,
            PadTokenId = null,
        };

    private static string Differences(DecoderConfig want, DecoderConfig got) =>
        string.Join(
            ", ",
            typeof(DecoderConfig)
                .GetProperties()
                .Where(p => !Equals(p.GetValue(want), p.GetValue(got)))
                .Select(p => FormattableString.Invariant($"{p.Name} {p.GetValue(want)} (would be read as {p.GetValue(got)})"))
        );
}
