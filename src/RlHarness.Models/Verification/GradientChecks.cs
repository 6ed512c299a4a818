using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: B sequences, N tokens of all sequences, V vocabulary.
namespace RlHarness.Models.Verification;

/// <summary>Gradients of the mean −log p over next tokens, for each parameter that the reference has one of (<c>grad.NAME</c>).</summary>
internal static class GradientChecks
{
    private const string Adapted = "grad.base_model.model.";

    internal static void Add(LoadedModel model, ReferenceFile reference, TokenBatch batch, int[][] rows, Tensor logits, List<FidelityCheck> checks)
    {
        if (!logits.requires_grad || !reference.Names.Any(name => name.StartsWith("grad.", StringComparison.Ordinal)))
            return;
        var keep = rows.SelectMany((row, b) => Enumerable.Range(0, row.Length - 1).Select(t => (long)batch.RowOf(b, t))).ToArray();
        var targets = tensor(rows.SelectMany(row => row.Skip(1)).Select(id => (long)id).ToArray(), device: logits.device).unsqueeze(1); // [next, 1]
        var chosen = nn.functional.log_softmax(logits.index_select(0, tensor(keep, device: logits.device)), -1).gather(-1, targets);
        var loss = -chosen.mean();
        loss.backward();
        if (reference.Has("grad.loss"))
        {
            var want = HostReads.Number(reference.Floats("grad.loss").view(-1)[0]);
            checks.Add(
                new FidelityCheck("loss (grad.loss)", Math.Abs(HostReads.Number(loss) - want), Tolerances.For(Tolerances.Loss, Math.Abs(want)), "absolute", 1)
            );
        }

        var worst = (Error: 0.0, Name: (string?)null, Count: 0L);
        foreach (var (name, got) in Gradients(model.Decoder))
        {
            using var step = NewDisposeScope();
            if (!reference.Has(name))
                continue;
            var want = reference.Floats(name, got.shape);
            var (difference, norm) = (HostReads.Number((HostReads.Copy(got) - want).norm()), HostReads.Number(want.norm()));
            var error = double.IsFinite(difference) ? difference / Math.Max(norm, 1e-12) : double.PositiveInfinity;
            worst = (Math.Max(error, worst.Error), error >= worst.Error ? name : worst.Name, worst.Count + want.numel());
        }

        if (worst.Count > 0)
            checks.Add(new FidelityCheck("gradients (grad.*)", worst.Error, Tolerances.Gradients, "relative", worst.Count, worst.Name));
    }

    /// <summary>Each gradient under its name in the reference: parameters by their names on disk, adapters by PEFT's.</summary>
    private static IEnumerable<(string Name, Tensor Gradient)> Gradients(Decoder decoder)
    {
        if (decoder.Adapters is not { } adapters)
        {
            foreach (var disk in decoder.Layout.Disk)
                yield return ("grad." + disk.DiskName, decoder.Parameters.GradientOf(disk.Parameter).narrow(0, disk.Offset, disk.Rows));
            yield break;
        }

        foreach (var slice in adapters.Slices)
        {
            yield return ($"{Adapted}{slice.DiskModule}.lora_A.default.weight", adapters.Parameters.GradientOf(slice.A));
            yield return ($"{Adapted}{slice.DiskModule}.lora_B.default.weight", adapters.Parameters.GradientOf(slice.B));
        }

        if (adapters.SavedHead?.grad is { } head)
            yield return (Adapted + "lm_head.modules_to_save.default.weight", head);
    }
}
