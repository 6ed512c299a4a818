using RlHarness.Models.Decoders;
using static TorchSharp.torch;

// Symbols: N packed tokens, R scored tokens.
namespace RlHarness.Training.Batching;

/// <summary>A packed micro-batch with the rows that predict scored tokens.</summary>
internal sealed class ScoredBatch : IDisposable
{
    private ScoredBatch(TokenBatch tokens, Tensor rows, Tensor targets, int[] counts) =>
        (Tokens, Rows, Targets, Counts, Scored) = (tokens, rows, targets, counts, counts.Sum());

    public TokenBatch Tokens { get; }

    /// <summary>Packed row before each scored token, int64 [R], in the order of sequences.</summary>
    public Tensor Rows { get; }

    /// <summary>The scored tokens' ids, int64 [R].</summary>
    public Tensor Targets { get; }

    /// <summary>Scored tokens of each sequence.</summary>
    public IReadOnlyList<int> Counts { get; }

    /// <summary>R.</summary>
    public int Scored { get; }

    public static ScoredBatch Pack(IReadOnlyList<ScoredSequence> sequences, Device device, bool deep = false)
    {
        var tokens = TokenBatch.Pack([.. sequences.Select(s => s.Ids)], device, [.. sequences.Select(s => s.Shareable)], deep);
        var rows = new List<long>();
        var targets = new List<long>();
        for (var b = 0; b < sequences.Count; b++)
            foreach (var t in sequences[b].Scored)
            {
                if (t < 1 || t >= sequences[b].Ids.Count)
                    throw new ArgumentOutOfRangeException(nameof(sequences), t, "a scored token needs a token before it");
                rows.Add(tokens.RowOf(b, t - 1));
                targets.Add(sequences[b].Ids[t]);
            }

        return new ScoredBatch(
            tokens,
            tensor(rows.ToArray(), device: device).DetachFromDisposeScope(),
            tensor(targets.ToArray(), device: device).DetachFromDisposeScope(),
            [.. sequences.Select(s => s.Scored.Count)]
        );
    }

    public void Dispose()
    {
        Tokens.Dispose();
        Rows.Dispose();
        Targets.Dispose();
    }
}

/// <summary>A sequence of token ids and which of them are scored (predicted from what stands before them; never index 0).</summary>
public sealed record ScoredSequence(IReadOnlyList<int> Ids, IReadOnlyList<int> Scored)
{
    /// <summary>Tokens that may be computed once for several sequences: the row before a scored token must be the sequence's own.</summary>
    internal int Shareable => Scored.Count == 0 ? 0 : Scored.Min() - 1;

    /// <summary>All tokens of a response behind a prompt.</summary>
    public static ScoredSequence Response(IReadOnlyList<int> prompt, IReadOnlyList<int> response) =>
        new([.. prompt, .. response], [.. Enumerable.Range(prompt.Count, response.Count)]);
}
