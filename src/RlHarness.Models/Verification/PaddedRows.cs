using static TorchSharp.torch;

// Symbols: B sequences, T tokens of the longest, N tokens of all sequences, W width.
namespace RlHarness.Models.Verification;

/// <summary>From a reference file's padded batches to this program's packed ones.</summary>
internal static class PaddedRows
{
    /// <summary>A padded tensor [B, T, W] at the places of its tokens, [N, W]; without a mask all places are.</summary>
    internal static Tensor Packed(ReferenceFile reference, string prefix, string name, long width)
    {
        using var scope = NewDisposeScope();
        var shape = reference.Shape(prefix + "input_ids");
        var padded = reference.Floats(name, shape[0], shape[1], width).view(-1, width); // [B·T, W]
        if (!reference.Has(prefix + "attention_mask"))
            return padded.MoveToOuterDisposeScope();
        var mask = reference.Longs(prefix + "attention_mask", shape[0], shape[1]);
        var places = mask.Select((m, i) => (m, i)).Where(pair => pair.m == 1).Select(pair => (long)pair.i).ToArray();
        return padded.index_select(0, tensor(places)).MoveToOuterDisposeScope();
    }
}
