using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Sequences packed one after another without padding. B sequences, N tokens in all, T the longest. Only attention sees a padded form: PadIndex says for
/// each place of [B, T] which packed row it holds, UnpadIndex for each packed row its place; both are null when all lengths are equal.
/// </summary>
public sealed class TokenBatch : IDisposable
{
    private TokenBatch(Tensor ids, Tensor positions, int[] lengths, Tensor? pad, Tensor? unpad)
    {
        (Ids, Positions, Lengths, PadIndex, UnpadIndex) = (ids, positions, lengths, pad, unpad);
        Longest = lengths.Length == 0 ? 0 : lengths.Max();
        Starts = new int[lengths.Length];
        for (var i = 1; i < lengths.Length; i++) Starts[i] = Starts[i - 1] + lengths[i - 1];
        Count = lengths.Sum();
    }

    /// <summary>Token ids, int64 [N].</summary>
    public Tensor Ids { get; }

    /// <summary>Position of each token in its own sequence, int64 [N].</summary>
    public Tensor Positions { get; }

    public IReadOnlyList<int> Lengths { get; }

    /// <summary>Row of each sequence's first token.</summary>
    public int[] Starts { get; }

    public int Longest { get; }

    public int Count { get; }

    internal Tensor? PadIndex { get; }

    internal Tensor? UnpadIndex { get; }

    /// <summary>Packs sequences of token ids, none of them empty.</summary>
    public static TokenBatch Pack(IReadOnlyList<IReadOnlyList<int>> sequences, Device device)
    {
        if (sequences.Count == 0 || sequences.Any(s => s.Count == 0)) throw new ArgumentException("a batch needs at least one sequence, and no empty one", nameof(sequences));
        var lengths = sequences.Select(s => s.Count).ToArray();
        int count = lengths.Sum(), longest = lengths.Max();
        var ids = new long[count];
        var positions = new long[count];
        var pad = new long[lengths.Length * longest];
        var unpad = new long[count];
        var row = 0;
        for (var b = 0; b < sequences.Count; b++)
        {
            for (var t = 0; t < lengths[b]; t++, row++)
            {
                ids[row] = sequences[b][t];
                positions[row] = t;
                unpad[row] = b * longest + t;
                pad[b * longest + t] = row;
            }

            // Padding stands for the sequence's last token: attention is causal, so no real token ever looks at it.
            for (var t = lengths[b]; t < longest; t++) pad[b * longest + t] = row - 1;
        }

        using var scope = NewDisposeScope();
        var ragged = lengths.Any(l => l != longest);
        Tensor Make(long[] values) => tensor(values, device: device).DetachFromDisposeScope();
        return new TokenBatch(Make(ids), Make(positions), lengths, ragged ? Make(pad) : null, ragged ? Make(unpad) : null);
    }

    public void Dispose()
    {
        Ids.Dispose();
        Positions.Dispose();
        PadIndex?.Dispose();
        UnpadIndex?.Dispose();
    }
}
