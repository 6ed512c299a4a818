using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: B sequences, T tokens of the longest, N tokens of all sequences, V vocabulary, H hidden size, G greedy tokens.
namespace RlHarness.Models.Verification;

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
            ? HostReads.Array<float>(reference.Floats("left.greedy_logprobs", rows.Length, count)).Chunk(count).ToArray()
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

/// <summary>What <c>model verify</c> found.</summary>
/// <param name="Model">Path of the model.</param>
/// <param name="Reference">Path of the reference file.</param>
/// <param name="Checks">One a kind, in the order in which they were made; at least one.</param>
public sealed record VerificationReport(string Model, string Reference, IReadOnlyList<FidelityCheck> Checks)
{
    public bool Passed => Checks.All(check => check.Passed);
}

/// <summary>One kind of value, compared with what another implementation computed.</summary>
/// <param name="Kind">What is compared, with the name of its tensors in the reference file.</param>
/// <param name="Error">The largest error, in <paramref name="Unit"/>.</param>
/// <param name="Tolerance">The largest error that is allowed.</param>
/// <param name="Unit"><c>absolute</c>; <c>relative</c>: norm of the difference over norm of the reference; <c>tokens</c>: how many differ.</param>
/// <param name="Compared">How many numbers were compared.</param>
/// <param name="Where">The tensor with the largest error, where a kind has several; else null.</param>
public sealed record FidelityCheck(string Kind, double Error, double Tolerance, string Unit, long Compared, string? Where = null)
{
    /// <summary>False also for an error that is not a number.</summary>
    public bool Passed => Error <= Tolerance;
}

/// <summary>
/// The errors that two right implementations may differ by in fp32. Where values are large (the residual stream of a real model, logits of many layers),
/// rounding grows with them: then 1e-5 of the largest reference value counts instead.
/// </summary>
internal static class Tolerances
{
    public const double Logits = 1e-4;
    public const double HiddenStates = 1e-3;
    public const double Logprobs = 1e-3;

    /// <summary>Norm of the difference over norm of the reference.</summary>
    public const double Gradients = 1e-3;
    public const double Loss = 1e-4;

    /// <summary>Part of the largest reference value.</summary>
    public const double Relative = 1e-5;

    /// <summary>Two logits closer than this are a tie, which rounding decides: each may be off by <see cref="Logprobs"/>.</summary>
    public const double NearTie = 2 * Logprobs;

    /// <summary>The larger of an absolute bound and <see cref="Relative"/> of the largest reference value.</summary>
    public static double For(double absolute, double largest) => Math.Max(absolute, Relative * largest);
}
