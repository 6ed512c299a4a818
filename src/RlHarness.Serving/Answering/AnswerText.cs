using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Generation;

namespace RlHarness.Serving.Answering;

/// <summary>What has come of one answer since the last piece.</summary>
/// <param name="Index">Number of the answer within its request.</param>
/// <param name="Tokens">Those that the piece was made of, with log-probabilities; empty where none were asked for.</param>
/// <param name="Finish">Why the answer ended; null while it goes on.</param>
internal sealed record AnswerPiece(int Index, string Text, IReadOnlyList<LiveToken> Tokens, FinishReason? Finish, Exception? Error);

/// <summary>
/// Text of an answer as its tokens come. A text that ends the answer is not part of it, and what may be the beginning of one is held back until that is known.
/// </summary>
/// <param name="start">What the answer begins with, as part of the prompt.</param>
/// <param name="withTokens">Whether pieces have their tokens.</param>
/// <param name="withEnd">Whether the id that ends the answer is among them.</param>
/// <param name="send">Called on the generator's thread.</param>
internal sealed class AnswerText(
    Tokenizer tokenizer,
    int index,
    string start,
    IReadOnlyList<string> stops,
    bool withTokens,
    bool withEnd,
    Action<AnswerPiece> send
)
{
    private readonly StreamingDecoder _decoder = tokenizer.CreateStreamingDecoder();
    private readonly List<LiveToken> _tokens = [];
    private string _held = start;
    private bool _stopped;

    /// <summary>Tokens drawn so far, the one that ended the answer included.</summary>
    public int Count { get; private set; }

    /// <summary>Takes a token; false where a text that ends the answer is complete.</summary>
    public bool Take(LiveToken token)
    {
        Count++;
        if (withTokens && (withEnd || !token.Ends))
            _tokens.Add(token);
        if (token.Ends)
            return true;
        _held += _decoder.Add(token.Id);
        Cut();
        if (_stopped)
            return false;
        var settled = _held.Length - Doubtful();
        if (settled > 0)
            Send(settled, null, null);
        return true;
    }

    /// <summary>Gives out what was held back, and why the answer ended.</summary>
    public void End(FinishReason? finish, Exception? error)
    {
        if (!_stopped && error is null)
        {
            _held += _decoder.Finish();
            Cut();
        }

        Send(error is null ? _held.Length : 0, _stopped ? FinishReason.StopString : finish, error);
    }

    private void Cut()
    {
        var at = stops.Select(s => _held.IndexOf(s, StringComparison.Ordinal)).Where(i => i >= 0).DefaultIfEmpty(-1).Min();
        if (at < 0)
            return;
        _held = _held[..at];
        _stopped = true;
    }

    /// <summary>Length of the longest end of the text that a stop text begins with.</summary>
    private int Doubtful()
    {
        var longest = 0;
        foreach (var stop in stops)
            for (var length = Math.Min(stop.Length - 1, _held.Length); length > longest; length--)
                if (_held.AsSpan(_held.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                    longest = length;
        return longest;
    }

    private void Send(int length, FinishReason? finish, Exception? error)
    {
        send(new(index, _held[..length], [.. _tokens], finish, error));
        _held = _held[length..];
        _tokens.Clear();
    }
}
