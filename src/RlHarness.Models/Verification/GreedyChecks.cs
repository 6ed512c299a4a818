using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: B sequences, G greedy tokens.
namespace RlHarness.Models.Verification;

/// <summary>Greedy decoding with the cache, token by token, against the reference's. A row is compared up to its first near tie.</summary>
internal static class GreedyChecks
{
    /// <param name="model">The model.</param>
    /// <param name="prompts">Token ids, one row a prompt.</param>
    /// <param name="want">The reference's tokens, one row a prompt.</param>
    /// <param name="logprobs">Their log-probabilities, or null.</param>
    /// <param name="suppressed">Ids that were not allowed.</param>
    /// <param name="name">Name of the tokens in the reference file.</param>
    internal static IEnumerable<FidelityCheck> Of(
        LoadedModel model,
        IReadOnlyList<IReadOnlyList<int>> prompts,
        long[][] want,
        float[][]? logprobs,
        IReadOnlyList<int> suppressed,
        string name
    )
    {
        using var guard = no_grad();
        var longest = want.Max(row => row.Length);
        var settings = new SamplingSettings
        {
            Temperature = 0,
            MaxNewTokens = longest,
            MinNewTokens = longest,
            StopIds = suppressed,
        };
        var got = new BatchGenerator(model.Decoder).Generate([.. prompts.Select((p, i) => new GenerationRequest(p, i))], settings, new Seeds(1));
        var (wrong, compared, error, largest) = (0L, 0L, 0.0, 0.0);
        for (var i = 0; i < want.Length; i++)
        {
            var equal = want[i].Zip(got[i].Tokens).TakeWhile(pair => pair.First == pair.Second).Count();
            var tie =
                equal < want[i].Length
                && IsTie(model.Decoder, [.. prompts[i], .. want[i].Take(equal).Select(t => (int)t)], want[i][equal], got[i].Tokens[equal]);
            compared += tie ? equal : want[i].Length;
            if (!tie)
                wrong += want[i].Length - equal;
            if (logprobs is null)
                continue;
            for (var t = 0; t < equal; t++)
                (error, largest) = (Math.Max(error, Math.Abs(logprobs[i][t] - got[i].Logprobs[t])), Math.Max(largest, Math.Abs(logprobs[i][t])));
        }

        yield return new FidelityCheck($"greedy tokens ({name})", wrong, 0, "tokens", compared);
        if (logprobs is not null)
            yield return new FidelityCheck(
                $"greedy log-probabilities ({name}_logprobs)",
                error,
                Tolerances.For(Tolerances.Logprobs, largest),
                "absolute",
                compared - wrong
            );
    }

    private static bool IsTie(Decoder decoder, int[] ids, long want, long got)
    {
        using var scope = NewDisposeScope();
        using var batch = TokenBatch.Pack([ids], decoder.Device);
        var logits = HostReads.Copy(decoder.Logits(decoder.Forward(batch).narrow(0, ids.Length - 1, 1))); // [1, V]
        return Math.Abs(HostReads.Number(logits[0, want]) - HostReads.Number(logits[0, got])) <= Tolerances.NearTie;
    }
}
