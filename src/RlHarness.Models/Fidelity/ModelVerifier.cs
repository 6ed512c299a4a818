// Symbols: B sequences, T tokens of the longest, N tokens of all sequences, V vocabulary, H hidden size, G greedy tokens.
using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Fidelity;

/// <summary>
/// Compares a model with a reference file: logits, hidden states, gradients, greedy tokens and their log-probabilities, whichever the file has.
/// </summary>
public static class ModelVerifier
{
    /// <summary>Loads model and adapter in fp32 and compares everything that the reference file has.</summary>
    /// <param name="model">A Hugging Face folder or a GGUF file.</param>
    /// <param name="reference">A file that <see cref="ReferenceFile"/> reads.</param>
    /// <param name="device">Where the model computes.</param>
    /// <param name="adapter">A folder in PEFT's format, or null.</param>
    /// <param name="configName">Name of the model's configuration in its folder.</param>
    /// <exception cref="HarnessException">A file is missing or foreign, or the two do not belong together.</exception>
    public static VerificationReport Verify(string model, string reference, Device device, string? adapter = null, string configName = "config.json")
    {
        using var file = ReferenceFile.Open(reference);
        var gradients = file.Names.Any(name => name.StartsWith("grad.", StringComparison.Ordinal));
        using var loaded = ModelLoader.Load(model, device, requiresGrad: gradients && adapter is null, withTokenizer: false, configName: configName);
        if (adapter is not null)
            loaded.Decoder.Adapters = LoraFolder.Load(adapter, loaded.Decoder, requiresGrad: gradients);
        return new VerificationReport(model, reference, Compare(loaded, file));
    }

    /// <summary>
    /// Compares a loaded model, which needs gradients where the file has some. An adapter ends merged into the weights where the file has merged
    /// logits.
    /// </summary>
    internal static IReadOnlyList<FidelityCheck> Compare(LoadedModel model, ReferenceFile reference)
    {
        using var scope = NewDisposeScope();
        var checks = new List<FidelityCheck>();
        if (reference.Has("right.input_ids"))
            Right(model, reference, checks);
        if (reference.Has("left.input_ids"))
            Left(model, reference, checks);
        if (reference.Has("input_ids"))
            FullRows(model, reference, checks);
        if (reference.Has("0.input_ids"))
            checks.AddRange(ConversationChecks.Of(model, reference));
        if (checks.Count == 0)
            throw HarnessException.BadFile(
                reference.Path,
                "nothing to compare",
                "token ids alone",
                "logits, greedy or gradients beside them",
                "write it with scripts/write-expected.py"
            );
        return checks;
    }

    /// <summary>Token ids that the model has.</summary>
    /// <exception cref="HarnessException">An id is beyond its vocabulary.</exception>
    internal static TokenBatch Pack(LoadedModel model, ReferenceFile reference, IReadOnlyList<IReadOnlyList<int>> rows)
    {
        var (low, high) = (rows.Min(row => row.Min()), rows.Max(row => row.Max()));
        if (low < 0 || high >= model.Decoder.Config.VocabSize)
            throw HarnessException.BadFile(
                reference.Path,
                "token ids that this model does not have",
                $"{low} to {high}",
                $"0 to {model.Decoder.Config.VocabSize - 1}",
                "was the file written from this model?"
            );
        return TokenBatch.Pack(rows, model.Decoder.Device);
    }

    private static void Right(LoadedModel model, ReferenceFile reference, List<FidelityCheck> checks)
    {
        var rows = reference.Rows("right.");
        var decoder = model.Decoder;
        using var batch = Pack(model, reference, rows);
        var hidden = new LargestError("hidden states (right.hidden_states.*)", Tolerances.HiddenStates);
        var states = decoder.Forward(batch, (i, h) =>
        {
            var name = $"right.hidden_states.{i}";
            if (reference.Has(name))
                hidden.Add(name, h, PaddedRows.Packed(reference, "right.", name, decoder.Config.HiddenSize));
        });
        var logits = decoder.Logits(states); // [N, V]
        Logits(model, reference, "right.", "logits", logits, checks);
        hidden.AddTo(checks);
        GradientChecks.Add(model, reference, batch, rows, logits, checks);
        AdapterChecks.Add(model, reference, batch, checks);
    }

    private static void Left(LoadedModel model, ReferenceFile reference, List<FidelityCheck> checks)
    {
        using var guard = no_grad();
        var rows = reference.Rows("left.");
        using (var batch = Pack(model, reference, rows))
            Logits(model, reference, "left.", "logits", model.Decoder.Logits(model.Decoder.Forward(batch)), checks);
        if (!reference.Has("left.greedy"))
            return;
        var count = (int)reference.Shape("left.greedy")[^1];
        var want = reference.Longs("left.greedy", rows.Length, count).Chunk(count).ToArray();
        var logprobs = reference.Has("left.greedy_logprobs")
            ? reference.Floats("left.greedy_logprobs", rows.Length, count).data<float>().ToArray().Chunk(count).ToArray()
            : null;
        checks.AddRange(GreedyChecks.Of(model, rows, want, logprobs, reference.SuppressedIds ?? model.StopIds, "left.greedy"));
    }

    private static void FullRows(LoadedModel model, ReferenceFile reference, List<FidelityCheck> checks)
    {
        using var guard = no_grad();
        var ids = reference.Longs("input_ids", -1, -1);
        var rows = ids.Select(id => (int)id).Chunk((int)reference.Shape("input_ids")[1]).ToArray();
        using var batch = Pack(model, reference, rows);
        Logits(model, reference, "", "logits", model.Decoder.Logits(model.Decoder.Forward(batch)), checks);
    }

    internal static void Logits(LoadedModel model, ReferenceFile reference, string prefix, string name, Tensor got, List<FidelityCheck> checks)
    {
        if (!reference.Has(prefix + name))
            return;
        var error = new LargestError($"logits ({prefix}{name})", Tolerances.Logits);
        error.Add(null, got, PaddedRows.Packed(reference, prefix, prefix + name, model.Decoder.Config.VocabSize));
        error.AddTo(checks);
    }
}
