namespace RlHarness.Models.Tokenizers;

/// <summary>A token that is found in the text before anything else is done to it.</summary>
/// <param name="Content">The text that it stands for.</param>
/// <param name="Id">Its id.</param>
/// <param name="SingleWord">Only where no word character touches it.</param>
/// <param name="LStrip">White space before it belongs to it.</param>
/// <param name="RStrip">White space after it belongs to it.</param>
/// <param name="Normalized">Looked for in the normalised text.</param>
/// <param name="Special">Left out where special tokens are skipped.</param>
internal sealed record AddedToken(string Content, int Id, bool SingleWord, bool LStrip, bool RStrip, bool Normalized, bool Special);
