using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Sequences packed one after another without padding; tokens that all of them begin with are there once. B sequences, P shared tokens (rows 0 to P − 1),
/// then the rest of each sequence; N rows in all, T the longest rest. Only attention sees a padded form of the rests: PadIndex says for each place of
/// [B, T] which of the N − P rows it holds, UnpadIndex for each row its place; both are null when all rests are of one length.
/// </summary>
public sealed class TokenBatch : IDisposable
{
    /// <summary>Fewer common tokens than this are not worth a second attention product.</summary>
    private const int LeastShared = 16;

    private TokenBatch(Tensor ids, Tensor positions, int[] lengths, int shared, Tensor? pad, Tensor? unpad)
    {
        (Ids, Positions, Lengths, Shared, PadIndex, UnpadIndex) = (ids, positions, lengths, shared, pad, unpad);
        Longest = lengths.Max();
        Starts = new int[lengths.Length];
        for (var i = 0; i < lengths.Length; i++)
            Starts[i] = i == 0 ? shared : Starts[i - 1] + lengths[i - 1] - shared;
        Count = lengths.Sum() - shared * (lengths.Length - 1);
    }

    /// <summary>Token ids, int64 [N].</summary>
    public Tensor Ids { get; }

    /// <summary>Position of each token in its own sequence, int64 [N].</summary>
    public Tensor Positions { get; }

    /// <summary>Tokens of each sequence, the shared ones included.</summary>
    public IReadOnlyList<int> Lengths { get; }

    /// <summary>P.</summary>
    public int Shared { get; }

    /// <summary>Row of each sequence's first token behind the shared ones.</summary>
    public int[] Starts { get; }

    /// <summary>Tokens of the longest sequence.</summary>
    public int Longest { get; }

    /// <summary>N.</summary>
    public int Count { get; }

    internal Tensor? PadIndex { get; }

    internal Tensor? UnpadIndex { get; }

    /// <summary>Row of token <paramref name="position"/> of sequence <paramref name="sequence"/>.</summary>
    public int RowOf(int sequence, int position) => position < Shared ? position : Starts[sequence] + position - Shared;

    /// <summary>
    /// Packs sequences of token ids, none of them empty. At most <paramref name="shareable"/> tokens that all begin with are computed once (0: none);
    /// rows that are scored have to lie behind them, because a gradient row belongs to one sequence.
    /// </summary>
    public static TokenBatch Pack(IReadOnlyList<IReadOnlyList<int>> sequences, Device device, int shareable = 0)
    {
        if (sequences.Count == 0 || sequences.Any(s => s.Count == 0))
            throw new ArgumentException("a batch needs at least one sequence, and no empty one", nameof(sequences));
        var shared = sequences.Count == 1 ? 0 : CommonPrefix(sequences, Math.Min(shareable, sequences.Min(s => s.Count) - 1));
        if (shared < LeastShared)
            shared = 0;
        var lengths = sequences.Select(s => s.Count).ToArray();
        int rests = lengths.Sum() - shared * lengths.Length,
            longest = lengths.Max() - shared;
        var ids = new long[shared + rests];
        var positions = new long[shared + rests];
        var pad = new long[lengths.Length * longest];
        var unpad = new long[rests];
        for (var t = 0; t < shared; t++)
            (ids[t], positions[t]) = (sequences[0][t], t);
        var row = 0;
        for (var b = 0; b < sequences.Count; b++)
        {
            var length = lengths[b] - shared;
            for (var t = 0; t < length; t++, row++)
            {
                ids[shared + row] = sequences[b][shared + t];
                positions[shared + row] = shared + t;
                unpad[row] = b * longest + t;
                pad[b * longest + t] = row;
            }

            // Padding stands for the sequence's last token: attention is causal, so no real token ever looks at it.
            for (var t = length; t < longest; t++)
                pad[b * longest + t] = row - 1;
        }

        using var scope = NewDisposeScope();
        var ragged = lengths.Any(l => l - shared != longest);
        Tensor Make(long[] values) => tensor(values, device: device).DetachFromDisposeScope();
        return new TokenBatch(Make(ids), Make(positions), lengths, shared, ragged ? Make(pad) : null, ragged ? Make(unpad) : null);
    }

    public void Dispose()
    {
        Ids.Dispose();
        Positions.Dispose();
        PadIndex?.Dispose();
        UnpadIndex?.Dispose();
    }

    private static int CommonPrefix(IReadOnlyList<IReadOnlyList<int>> sequences, int limit)
    {
        var first = sequences[0];
        for (var s = 1; s < sequences.Count && limit > 0; s++)
        {
            var other = sequences[s];
            if (ReferenceEquals(first, other))
                continue;
            var t = 0;
            while (t < limit && first[t] == other[t])
                t++;
            limit = t;
        }

        return Math.Max(0, limit);
    }
}
