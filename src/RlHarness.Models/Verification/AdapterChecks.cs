using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using static TorchSharp.torch;

// Symbols: N tokens of all sequences, V vocabulary.
namespace RlHarness.Models.Verification;

/// <summary>Logits with an adapter switched off (<c>right.logits_without_adapter</c>), and merged into the weights (<c>right.logits_merged</c>).</summary>
internal static class AdapterChecks
{
    /// <summary>Leaves the adapter merged. A head that an adapter saves whole is left out when it is switched off, and taken over when it is merged.</summary>
    internal static void Add(LoadedModel model, ReferenceFile reference, TokenBatch batch, List<FidelityCheck> checks)
    {
        if (model.Decoder.Adapters is not { } adapters)
            return;
        using var guard = no_grad();
        model.Decoder.Adapters = null;
        try
        {
            ModelVerifier.Logits(model, reference, "right.", "logits_without_adapter", model.Decoder.Logits(model.Decoder.Forward(batch)), checks);
            if (!reference.Has("right.logits_merged"))
                return;
            adapters.MergeInto(model.Decoder);
            if (adapters.SavedHead is not null)
                model.Decoder.Adapters = new LoraAdapters([], model.Decoder.Device, requiresGrad: false, adapters.SavedHead.alias());
            ModelVerifier.Logits(model, reference, "right.", "logits_merged", model.Decoder.Logits(model.Decoder.Forward(batch)), checks);
        }
        finally
        {
            model.Decoder.Adapters?.Dispose();
            model.Decoder.Adapters = null;
            adapters.Dispose();
        }
    }
}
