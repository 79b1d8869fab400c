// Package nginxconf reads and edits the words of an nginx file that decide
// which color is live. It is pure: bytes in, bytes out, no file is opened.
//
// Every file is read twice. The scanner of this package says where each word
// stands, gonginx says what the file means. Where the two disagree the file is
// refused. Comments are never read as truth and never edited.
package nginxconf
