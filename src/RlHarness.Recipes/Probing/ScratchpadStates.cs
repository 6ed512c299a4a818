using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Transcripts;
using RlHarness.Formats.Files;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Stages;
using RlHarness.Tracking.Store;
using TorchSharp;

namespace RlHarness.Recipes.Probing;

/// <summary>The mean hidden state of a scratchpad's tokens, at the input of each layer and after the last norm.</summary>
internal sealed class ScratchpadStates(LoadedModel model, TimeProvider clock)
{
    private readonly Conversation _conversation = new(model, clock);

    /// <summary>
    /// [layer, hidden]: layers + 1 states, the last one behind the final norm. Null for a transcript without a scratchpad, or too long for the model.
    /// </summary>
    public float[][]? Of(TranscriptRow transcript)
    {
        ArgumentNullException.ThrowIfNull(transcript);
        var text = transcript.AssistantText;
        var open = text.IndexOf(TranscriptParser.ScratchpadOpen, StringComparison.Ordinal);
        var close = text.IndexOf(TranscriptParser.ScratchpadClose, StringComparison.Ordinal);
        if (open < 0 || close <= open)
            return null;
        var prompt = _conversation.Prompt([ChatMessage.System(transcript.System), ChatMessage.User(transcript.User)]);
        var answer = model.Tokenizer!.EncodeWithSpans(text);
        var from = open + TranscriptParser.ScratchpadOpen.Length;
        long[] rows =
        [
            .. Enumerable
                .Range(0, answer.Ids.Length)
                .Where(i => answer.Spans[i].Start >= from && answer.Spans[i].End <= close)
                .Select(i => (long)prompt.Length + i),
        ];
        int[] ids = [.. prompt, .. answer.Ids];
        if (rows.Length == 0 || ids.Length > model.Decoder.Config.MaxPositionEmbeddings)
            return null;
        var states = new float[model.Decoder.Config.NumHiddenLayers + 1][];
        using var guard = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var batch = TokenBatch.Pack([ids], model.Decoder.Device);
        var index = torch.tensor(rows, device: model.Decoder.Device);
        model.Decoder.Forward(batch, (layer, hidden) =>
        {
            using var inner = torch.NewDisposeScope();
            states[layer] = hidden.index_select(0, index).to(torch.ScalarType.Float32).mean([0L]).cpu().data<float>().ToArray(); // [H]
            if (FiniteNumbers.FirstOther(states[layer]) is >= 0 and var odd)
                throw HarnessException.NotFinite($"hidden state {odd} at layer {layer} of transcript {transcript.Id}", states[layer][odd]);
        });
        return states;
    }
}
