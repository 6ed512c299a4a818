using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Transcripts;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using RlHarness.Models.Parallel;
using RlHarness.Recipes.Reading;
using RlHarness.Tracking.Store;
using TorchSharp;

namespace RlHarness.Recipes.Stages;

/// <summary>The mean hidden state of a scratchpad's tokens, at the input of each layer and after the last norm.</summary>
internal sealed class ScratchpadStates(LoadedModel model, TimeProvider clock)
{
    private readonly Conversation _conversation = new(model, clock);
    private readonly Lock _reading = new();

    /// <summary>
    /// Those of several transcripts, in their order. Of a small model each thread reads transcripts of its own: two threads in one of its operations wait for
    /// one another longer than they compute, and for another program's work longer still.
    /// </summary>
    /// <param name="transcripts">What to read.</param>
    /// <param name="onRead">Called with the number of transcripts that were read, by one thread at a time.</param>
    /// <param name="cancellation">Checked at each transcript.</param>
    public IReadOnlyList<float[][]?> Of(IReadOnlyList<TranscriptRow> transcripts, Action<int> onRead, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(transcripts);
        var states = new List<float[][]?>(new float[][]?[transcripts.Count]);
        var (next, read) = (-1, 0);
        ParallelWork.Run([.. Enumerable.Repeat(Read, ParallelWork.DegreeOfParallelism(model.Decoder, transcripts.Count))]);
        return states;

        void Read()
        {
            while (Interlocked.Increment(ref next) is var at && at < transcripts.Count)
            {
                cancellation.ThrowIfCancellationRequested();
                states[at] = Of(transcripts[at]);
                lock (_reading)
                    onRead(++read);
            }
        }
    }

    /// <summary>
    /// [layer, hidden]: layers + 1 states, the last one behind the final norm. Null for a transcript without a scratchpad, or too long for the model. The ids
    /// that were sampled are read where the store has them.
    /// </summary>
    public float[][]? Of(TranscriptRow transcript)
    {
        ArgumentNullException.ThrowIfNull(transcript);
        int[] prompt;
        IReadOnlyList<int> answer;
        lock (_reading)
        {
            prompt = _conversation.Prompt([ChatMessage.System(transcript.System), ChatMessage.User(transcript.User)]);
            // A prefilled beginning was part of the prompt, so that the drawn ids do not hold the whole text.
            answer =
                transcript.TokenIds is { Count: > 0 } drawn && Text(drawn).StartsWith(transcript.AssistantText, StringComparison.Ordinal)
                    ? drawn
                    : model.Tokenizer!.Encode(transcript.AssistantText);
        }

        return Of(prompt, answer);
    }

    /// <summary>Like the overload above, for ids: those of the prompt, and those of an answer that holds its whole scratchpad.</summary>
    public float[][]? Of(IReadOnlyList<int> prompt, IReadOnlyList<int> answer)
    {
        IReadOnlyList<(string Text, int Start, int End)> spans;
        lock (_reading)
            spans = ResponseSpans.Of(model.Tokenizer!, answer);
        var (from, to) = ResponseSpans.Scratchpad(string.Concat(spans.Select(s => s.Text)));
        long[] rows = [.. Enumerable.Range(0, answer.Count).Where(i => spans[i].Start >= from && spans[i].End <= to).Select(i => (long)prompt.Count + i)];
        int[] ids = [.. prompt, .. answer];
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
            states[layer] = HostReads.Array<float>(hidden.index_select(0, index).to(torch.ScalarType.Float32).mean([0L])); // [H]
            if (FiniteNumbers.FirstOther(states[layer]) is >= 0 and var odd)
                throw HarnessException.NotFinite($"hidden state {odd} of a scratchpad at layer {layer}", states[layer][odd]);
        });
        return states;
    }

    private string Text(IReadOnlyList<int> ids) => string.Concat(ResponseSpans.Of(model.Tokenizer!, ids).Select(s => s.Text));
}

/// <summary>Where the tokens of a response stand in its text.</summary>
internal static class ResponseSpans
{
    /// <summary>The text that each token completes, and where it starts; a character of several tokens belongs to the last of them.</summary>
    public static IReadOnlyList<(string Text, int Start, int End)> Of(Tokenizer tokenizer, IReadOnlyList<int> ids)
    {
        var spans = new List<(string, int, int)>(ids.Count);
        var at = 0;
        foreach (var text in RunTokens.Texts(tokenizer)(ids))
        {
            spans.Add((text, at, at + text.Length));
            at += text.Length;
        }

        return spans;
    }

    /// <summary>What stands between the tags of a closed scratchpad; an empty range where there is none.</summary>
    public static (int From, int To) Scratchpad(string text)
    {
        var open = text.IndexOf(TranscriptParser.ScratchpadOpen, StringComparison.Ordinal);
        var close = text.IndexOf(TranscriptParser.ScratchpadClose, StringComparison.Ordinal);
        return open < 0 || close <= open ? (0, -1) : (open + TranscriptParser.ScratchpadOpen.Length, close);
    }

    /// <summary>
    /// Which tokens of a response belong to its scratchpad with the tags: those that begin before its end, and all where it has none. What lies in doubt
    /// counts as reasoning, as <see cref="TranscriptParser"/> has it.
    /// </summary>
    public static bool[] InScratchpad(Tokenizer tokenizer, IReadOnlyList<int> ids)
    {
        var spans = Of(tokenizer, ids);
        var close = string.Concat(spans.Select(s => s.Text)).IndexOf(TranscriptParser.ScratchpadClose, StringComparison.Ordinal);
        var end = close < 0 ? int.MaxValue : close + TranscriptParser.ScratchpadClose.Length;
        return [.. spans.Select(s => s.Start < end)];
    }
}
